"""Makes one of atelierd's workers of a worker that dask has started, as dask-jobqueue does.

`dask worker` needs `--preload atelierd.cli.preload --resources atelierd-device=1 --nthreads 1
--no-nanny --memory-limit 0` for it; docs/cluster.md has it for Slurm.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from distributed import Worker

from atelierd.cli.configuration import surroundings
from atelierd.cli.workbench import bench_in, capability_of
from atelierd.cluster import remote
from atelierd.cluster.capability import TOLD

#: The bench's folder in the worker's own, which ends with it.
FOLDER = "atelierd"

_held = ExitStack()


def dask_setup(worker: Worker) -> None:
    """Open a bench before the worker registers. Raises ConfigError, OSError."""
    here = surroundings(None)
    options = here.engine_options
    capability = capability_of(here, options.device, options.threads)
    told = capability.model_copy(update={"incarnation": uuid4().hex}).model_dump(mode="json")
    folder = Path(worker.local_directory) / FOLDER
    remote.open_bench(_held.enter_context(bench_in(folder, here, options, str(worker.name))))
    worker.startup_information = {**worker.startup_information, TOLD: lambda _: told}


def dask_teardown(worker: Worker) -> None:  # noqa: ARG001 - dask's own signature
    """End the process that renders."""
    _held.close()
