"""What stays in a worker process between renders: engines with their weights and objectives."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atelierd.engines.base import Engine
from atelierd.engines.recipe import Network
from atelierd.errors import NodeFault, WeightsError, WorldFault
from atelierd.weights.network import Weights

logger = logging.getLogger(__name__)

EngineName = Literal["torch", "cntk"]


@dataclass(frozen=True)
class EngineOptions:
    """How engines are to be made on this machine; plain data that travels to a worker."""

    weights_folder: Path
    weights_sources: tuple[tuple[Network, str], ...] = ()
    """The person's own file or URL per network."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:N`."""
    threads: int | None = None
    """Threads that the engine computes with; None leaves it to the framework."""
    compile_mode: Literal["auto", "off"] = "auto"
    """Whether evaluations are recorded where the device can."""
    cntk_folder: Path | None = None
    """Where `atelierd cntk install` has put its interpreter, if it has."""


class Resident:
    """The engines that this process has made; making one again costs nothing."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._engines: dict[tuple[EngineName, Network], Engine] = {}

    def engine(
        self, name: EngineName, network: Network, say: Callable[[str], None] = logger.info
    ) -> Engine:
        """Return the engine, loading its weights if this is the first time.

        Raises WeightsError if there are no weights, WorldFault if there is no device to compute
        on, JobFault or NodeFault if CNTK cannot be used.
        """
        key = (name, network)
        if key in self._engines:
            say(f"{name} engine resident with {network}: no weights loaded")
            return self._engines[key]
        started = time.monotonic()
        weights = self._load(network)
        engine = self._make(name, weights)
        self._engines[key] = engine
        facts = engine.describe()
        say(
            f"{name} {facts['version']} on {facts['device']}: weights of {network} loaded in "
            f"{time.monotonic() - started:.1f} s"
        )
        return engine

    def prove(self) -> str:
        """Load PyTorch, compute something small on the device, and return what it is.

        Raises WorldFault if the device cannot compute.
        """
        # Imported here: only a process that uses an engine pays for its framework.
        from atelierd.engines.torch.proof import prove

        with self._as_world_fault():
            return prove(self._options.device)

    def close(self) -> None:
        """Close every engine."""
        while self._engines:
            _, engine = self._engines.popitem()
            engine.close()

    @contextmanager
    def _as_world_fault(self) -> Iterator[None]:
        try:
            yield
        except NodeFault as fault:
            # It would meet every job alike, and each would fail in vain.
            raise WorldFault(
                f"device {self._options.device}: {fault}; check its driver and `device` in the "
                "configuration, and the queue goes on by itself"
            ) from fault

    def _load(self, network: Network) -> Weights:
        # Imported here: h5py and onnx are not wanted in a process that only plans.
        from atelierd.weights.reader import load_weights
        from atelierd.weights.store import WeightStore

        store = WeightStore(self._options.weights_folder, dict(self._options.weights_sources))
        path = store.find(network)
        if path is not None:
            try:
                return load_weights(path)
            except WeightsError as error:
                logger.warning("%s", error)
        return load_weights(store.fetch(network, lambda *_: None))

    def _make(self, name: EngineName, weights: Weights) -> Engine:
        # Imported here: only a process that uses an engine pays for its framework.
        if name == "torch":
            from atelierd.engines.torch.engine import TorchEngine

            with self._as_world_fault():
                return TorchEngine(
                    weights,
                    self._options.device,
                    self._options.threads,
                    self._options.compile_mode,
                )
        from atelierd.engines.cntk.engine import open_cntk_engine

        options = self._options
        return open_cntk_engine(weights, options.cntk_folder, options.threads, options.device)
