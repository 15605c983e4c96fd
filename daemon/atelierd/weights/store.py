"""The folder of weights: one verified file per network, in the canonical convention.

    vgg16.safetensors     the numbers, with origin, license and checksum in its metadata
    fetch.lock            held while one process fetches; others wait and take its result
    partial/              cut-off downloads, to be resumed

Two processes may share a folder; a reader sees a whole file or none.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from atelierd import durable
from atelierd.errors import WeightsError
from atelierd.weights.catalog import SOURCES, TORCHVISION, Source, configured_source
from atelierd.weights.fetch import Progress, fetched
from atelierd.weights.formats import canonical
from atelierd.weights.network import Network
from atelierd.weights.reader import file_sha256, load_weights

logger = logging.getLogger(__name__)


class WeightStore:
    """Keeps networks' weights in `folder`.

    `configured` names a file or URL of the person's own per network; it is asked before the public
    sources.
    """

    def __init__(
        self,
        folder: Path,
        configured: Mapping[Network, str],
        sources: Mapping[Network, tuple[Source, ...]] = SOURCES,
    ) -> None:
        self._folder = folder
        self._configured = configured
        self._sources = sources

    def find(self, network: Network) -> Path | None:
        """Return the network's file if it is here and its source is still the configured one.

        Only the file's head is looked at; `load_weights` verifies the numbers.
        """
        path = self._folder / f"{network}.safetensors"
        try:
            metadata = canonical.read_metadata(path)
        except WeightsError:
            return None
        expected = (canonical.FORMAT, network, self._mark(network))
        found = tuple(metadata.get(key) for key in ("format", "network", "configured"))
        return path if found == expected else None

    def fetch(self, network: Network, progress: Progress) -> Path:
        """Return the network's file, fetching it if it is not here or is damaged.

        Raises WeightsError, with every source's own reason, if none gives the weights.
        """
        path = self._verified(network)
        if path is not None:
            return path
        try:
            with self._lock():
                return self._verified(network) or self._fetch(network, progress)
        except OSError as error:
            raise WeightsError(
                f"{self._folder}: the weights cannot be stored here: {error.strerror or error}."
            ) from error

    def _verified(self, network: Network) -> Path | None:
        path = self.find(network)
        if path is None:
            return None
        try:
            canonical.read(path)
        except WeightsError as error:
            logger.warning("%s", error)
            return None
        return path

    def _fetch(self, network: Network, progress: Progress) -> Path:
        reasons = []
        for source in self._candidates(network):
            logger.info("fetching %s: %s", network, source.title)
            try:
                with fetched(source, self._folder, progress) as path:
                    return self._keep(network, source, path)
            except WeightsError as error:
                logger.warning("%s: %s", source.title, error)
                reasons.append(f"  {source.title}: {error}")
        listed = "\n".join(reasons)
        raise WeightsError(
            f"No source gave the weights of {network}:\n{listed}\n{self._advice(network)}"
        )

    def _advice(self, network: Network) -> str:
        if self._configured.get(network):  # what other machines have would not count as that
            return (
                "Put right the file or URL in the configuration (weights: sources:), or name "
                f"{network}.safetensors there, brought from a machine that has it."
            )
        return (
            "Name a file or URL of your own in the configuration (weights: sources:), or bring "
            f"{self._folder / network}.safetensors from a machine that has it."
        )

    def _candidates(self, network: Network) -> tuple[Source, ...]:
        location = self._configured.get(network)
        own = (configured_source(location),) if location else ()
        return own + self._sources[network]

    def _keep(self, network: Network, source: Source, path: Path) -> Path:
        weights = load_weights(path)
        if weights.network != network:
            raise WeightsError(f"it is a {weights.network}, not a {network}")
        if source.numbers_sha256 not in (None, weights.sha256):
            raise WeightsError(
                f"its numbers have SHA-256 {weights.sha256}, expected {source.numbers_sha256}"
            )
        if source.rights is TORCHVISION:
            logger.warning(
                "%s is another training than Oxford's: its pictures differ from those of machines "
                "that have Oxford's weights",
                source.title,
            )
        target = self._folder / f"{network}.safetensors"
        metadata = {
            "source": source.title,
            "source_sha256": file_sha256(path),
            "license": source.rights.license,
            "attribution": source.rights.attribution,
            "configured": self._mark(network),
        }
        canonical.write(
            target, replace(weights, origin=f"{source.title}: {weights.origin}"), metadata
        )
        logger.info("%s is kept in %s", network, target)
        return target

    def _mark(self, network: Network) -> str:
        """Digest of what is configured: a change shows, and no password of a URL is stored."""
        location = self._configured.get(network, "")
        return sha256(location.encode()).hexdigest()[:16] if location else ""

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "fetch.lock").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("another process is fetching weights into %s; waiting", self._folder)
                fcntl.flock(file, fcntl.LOCK_EX)
            self._remove_leftovers()
            yield

    def _remove_leftovers(self) -> None:
        """Remove temporary files of fetches that were killed; the lock says that none runs."""
        for path in self._folder.iterdir():
            if durable.is_temporary(path.name):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
