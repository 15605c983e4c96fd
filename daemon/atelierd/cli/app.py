"""All commands in one application, and what becomes of an error that nobody caught."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from atelierd import __version__
from atelierd.cli import cluster, cntk, systemd, weights
from atelierd.cli.backup import backup
from atelierd.cli.benchmark import benchmark
from atelierd.cli.check import check
from atelierd.cli.doctor import doctor
from atelierd.cli.evaluate import evaluate
from atelierd.cli.init import init
from atelierd.cli.queue import cancel, hold, jobs, release, retry
from atelierd.cli.render import render
from atelierd.cli.run import run
from atelierd.cli.serve import serve
from atelierd.cli.show import show
from atelierd.cli.status import status
from atelierd.cli.worker import worker
from atelierd.errors import AtelierError, ConfigError, WeightsError, WorldFault
from atelierd.exits import Exit

#: Set, it shows where an error came from.
DEBUG_VARIABLE = "ATELIERD_DEBUG"

_DAEMON, _QUEUE, _PICTURE, _MACHINE = "Daemon", "Its queue", "One picture", "This machine"

_EXIT_CODES = "Exit codes:\n\n" + "\n".join(f"* {code.value}: {code.words}" for code in Exit)

app = typer.Typer(
    name="atelierd",
    help="Neural style transfer from a watched folder: drop a job file and pictures into the "
    "inbox, find the result in the outbox.",
    epilog=f"{_EXIT_CODES}\n\n{DEBUG_VARIABLE}=1 shows where an error came from.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"atelierd {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which one this is."),
    ] = False,
) -> None:
    pass


app.command("init", rich_help_panel=_DAEMON)(init)
app.command("run", rich_help_panel=_DAEMON)(run)
app.command("serve", rich_help_panel=_DAEMON)(serve)
app.command("worker", rich_help_panel=_DAEMON)(worker)
app.command("status", rich_help_panel=_QUEUE)(status)
app.command("show", rich_help_panel=_QUEUE)(show)
app.command("jobs", rich_help_panel=_QUEUE)(jobs)
app.command("cancel", rich_help_panel=_QUEUE)(cancel)
app.command("hold", rich_help_panel=_QUEUE)(hold)
app.command("release", rich_help_panel=_QUEUE)(release)
app.command("retry", rich_help_panel=_QUEUE)(retry)
app.command("check", rich_help_panel=_PICTURE)(check)
app.command("render", rich_help_panel=_PICTURE)(render)
app.command("evaluate", rich_help_panel=_PICTURE)(evaluate)
app.command("doctor", rich_help_panel=_MACHINE)(doctor)
app.command("backup", rich_help_panel=_MACHINE)(backup)
app.command("benchmark", rich_help_panel=_MACHINE)(benchmark)
app.add_typer(systemd.app, name="systemd", rich_help_panel=_MACHINE)
app.add_typer(weights.app, name="weights", rich_help_panel=_MACHINE)
app.add_typer(cluster.app, name="cluster", rich_help_panel=_DAEMON)
app.add_typer(cntk.app, name="cntk", rich_help_panel=_MACHINE)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command (the process's own arguments where none are given) and exit with its code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a locale cannot write is no reason to fail; for standard error this is so anyway.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(args=arguments, prog_name="atelierd")
    except (AtelierError, OSError) as error:
        sys.exit(_told(error))
    except Exception:  # noqa: BLE001 - the last to see it
        traceback.print_exc()
        typer.echo("atelierd: this is a bug; please report it with the lines above", err=True)
        sys.exit(Exit.INTERNAL)
    sys.exit(Exit.OK)


def _told(error: AtelierError | OSError) -> Exit:
    """Say what is wrong in one message, and return the exit code for it."""
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        typer.echo(f"atelierd: {named}{error.strerror or error}", err=True)
    else:
        typer.echo(f"atelierd: {error}", err=True)
    return _code(error)


def _code(error: AtelierError | OSError) -> Exit:
    # Imported here: the command that failed has imported them already, the others need not.
    from atelierd.address import AddressError
    from atelierd.engines.cntk.installation import CntkInstallError
    from atelierd.inbox.owner import InboxHeldError
    from atelierd.worldfaults import is_world_fault

    match error:
        case ConfigError():
            return Exit.CONFIG
        case InboxHeldError() | AddressError() | WeightsError() | CntkInstallError():
            return Exit.UNAVAILABLE
        case WorldFault():
            return Exit.KEPT_FROM_WORK
        case OSError() if is_world_fault(error):
            return Exit.KEPT_FROM_WORK
        case _:
            return Exit.FAILED
