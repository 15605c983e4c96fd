"""A worker's bench as the commands make it, and what this machine can do."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from atelierd import __version__
from atelierd.cli import words
from atelierd.cli.configuration import Surroundings
from atelierd.cli.devices import NoTorchError, torch_facts
from atelierd.cluster.bench import Bench
from atelierd.cluster.capability import Capability
from atelierd.dispatch.pool import ProcessWorker
from atelierd.engines.cntk.installation import MARKER
from atelierd.errors import ConfigError
from atelierd.render.machine import FILE_NAME, NoModelError, read_model
from atelierd.render.memory import MachineMemory
from atelierd.render.resident import EngineOptions


@contextmanager
def bench_in(
    folder: Path, here: Surroundings, options: EngineOptions, known_by: str
) -> Iterator[Bench]:
    """Give a bench in `folder` while the block runs; its process ends with it.

    Raises ConfigError if another worker has the folder, OSError.
    """
    with _alone(folder):
        _bring_figures(here.state, folder)
        own = replace(options, weights_folder=folder / "weights", weights_sources=())
        bench = Bench(folder, ProcessWorker(own, known_by), options.weights_folder)
        try:
            yield bench
        finally:
            bench.close()


def capability_of(here: Surroundings, device: str, threads: int | None) -> Capability:
    """Return what this machine can do. Raises ConfigError if PyTorch or the device is not there."""
    try:
        facts = torch_facts()
    except NoTorchError as error:
        raise ConfigError(f"PyTorch does not work here: {error}") from error
    found = _device(facts, device)
    memory = found.get("bytes") or MachineMemory().available()
    figures = None
    try:
        model = read_model(here.state)
        stale = model.differs_from(
            version("torch"), atelierd=__version__, device=None, threads=threads
        )
        figures = None if stale else model
    except NoModelError:
        pass
    has_cntk = (here.state / "cntk" / MARKER).exists()
    return Capability(
        atelierd=__version__,
        incarnation="",
        pid=os.getpid(),
        device=found["device"],
        description=f"{found['name']}, {words.size(memory)}, fast in {found['precision']}",
        memory=memory,
        precision=found["precision"],
        engines=("torch", "cntk") if has_cntk else ("torch",),
        figures=figures,
    )


def _device(facts: dict[str, Any], wanted: str) -> dict[str, Any]:
    gpus: list[dict[str, Any]] = facts["gpus"]
    if wanted == "cpu" or (wanted == "auto" and not gpus):
        name = f"{facts['threads']} threads of the processor"
        return {"device": "cpu", "name": name, "precision": facts["precision"]}
    index = int(wanted.partition(":")[2] or 0)
    if index >= len(gpus):
        raise ConfigError(f"device {wanted}: PyTorch finds {len(gpus)} GPUs here")
    return gpus[index]


def _bring_figures(state: Path, folder: Path) -> None:
    """Have renders planned by what was measured on this machine, if it was."""
    folder.mkdir(parents=True, exist_ok=True)
    own, kept = state / FILE_NAME, folder / FILE_NAME
    if own.exists():
        kept.write_bytes(own.read_bytes())
    else:
        kept.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder for this process. Raises ConfigError if another worker has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"{folder}: another worker of this name runs here; give this one another --name"
            ) from error
        yield
