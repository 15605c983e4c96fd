"""The weights that travel: found, or fetched first, in a process that ends again.

Reading files of weights takes libraries that the daemon has no other use for.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from atelierd.errors import NodeFault, WorldFault
from atelierd.weights.network import Network


class Weights:
    """The daemon's folder of weights, for those who send them."""

    def __init__(self, folder: Path, sources: Mapping[Network, str]) -> None:
        self._folder = folder
        self._sources = dict(sources)
        self._lock = threading.Lock()
        self._found: dict[Network, tuple[tuple[int, int], Path, str]] = {}
        self._looking: ProcessPoolExecutor | None = None
        self._has_stopped = False

    def of(self, network: Network) -> tuple[Path, str]:
        """Return the network's file, fetched if need be, and the SHA-256 of its numbers.

        Raises WeightsError if no source has it, NodeFault, OSError.
        """
        with self._lock:
            found = self._found.get(network)
            if found is None or not found[1].exists() or _stamp(found[1]) != found[0]:
                path, sha256 = self._look(network)
                found = self._found[network] = (_stamp(path), path, sha256)
        return found[1], found[2]

    def stop(self) -> None:
        """Fetch nothing any more: a stop is not to wait for half a gigabyte."""
        self._has_stopped = True
        looking = self._looking
        if looking is not None:
            # The pool itself would wait for its process.
            for process in list((looking._processes or {}).values()):
                process.kill()

    def _look(self, network: Network) -> tuple[Path, str]:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as executor:
            self._looking = executor
            try:
                found = executor.submit(_find, self._folder, self._sources, network)
                if self._has_stopped:
                    self.stop()
                return found.result()
            except BrokenProcessPool as error:
                if self._has_stopped:
                    raise WorldFault("the daemon stops") from error
                raise NodeFault("the process that looks for weights died") from error
            finally:
                self._looking = None


def _find(folder: Path, sources: Mapping[Network, str], network: Network) -> tuple[Path, str]:
    from atelierd.weights.formats import canonical
    from atelierd.weights.store import WeightStore

    path = WeightStore(folder, sources).fetch(network, lambda *_: None)
    return path, canonical.read(path).sha256


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
