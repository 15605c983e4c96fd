"""The ledger as commands open it, and jobs as they are named on a command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atelierd.cli.configuration import read_config
from atelierd.errors import AtelierError

if TYPE_CHECKING:
    from atelierd.ledger import Ledger
    from atelierd.settings import Settings

#: Jobs whose names a shell offers, the newest.
_OFFERED = 1000


@contextmanager
def opened(settings: Settings) -> Iterator[Ledger]:
    """Open the ledger for reading, beside the daemon. Raises ConfigError, WorldFault."""
    from atelierd.ledger import Ledger

    ledger = Ledger.open(settings.state / "ledger.sqlite", read_only=True)
    try:
        yield ledger
    finally:
        ledger.close()


def _job_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of jobs that begin so, for a shell that completes one; never an error."""
    config = context.params.get("config")
    given = context.params.get("names") or []
    try:
        with opened(read_config(Path(config) if config else None)) as ledger:
            names = [job.folder for job in ledger.jobs(limit=_OFFERED)]
    except (AtelierError, OSError):
        return []
    return [name for name in names if name.startswith(incomplete) and name not in given]


_HELP = "A job's folder in the outbox, its id, or the beginning of either."

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help=_HELP, autocompletion=_job_names)]
JobsArgument = Annotated[
    list[str], typer.Argument(metavar="JOB", help=_HELP, autocompletion=_job_names)
]
