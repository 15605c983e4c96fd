"""`atelierd doctor`: what this machine has, what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from atelierd.cli.configuration import (
    ConfigOption,
    Surroundings,
    default_state,
    find_config,
    surroundings,
)
from atelierd.cli.options import JsonOption
from atelierd.cli.terminal import plain, say, say_json, stdout
from atelierd.errors import ConfigError
from atelierd.exits import Exit

if TYPE_CHECKING:
    from atelierd.cli.findings import Finding

FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]",
        help="A folder on a share, an inbox or one to be: only that is measured then, with a few "
        "small files that are removed again, and settings are proposed for it.",
        show_default=False,
    ),
]
ThroughOption = Annotated[
    Path | None,
    typer.Option(
        "--through",
        metavar="OTHER",
        help="With DIR: another path to the same folder, such as the server's own or a second "
        "mount. What is changed there is timed until it is seen in DIR.",
        show_default=False,
    ),
]

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_TOPIC_WIDTH = 14


def doctor(
    folder: FolderArgument = None,
    through: ThroughOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Look at the machine, the share and the installation, or measure DIR; exit with 1 if wrong."""
    if folder is not None:
        _doctor_share(folder, through, as_json, config)
        return
    if through is not None:
        raise typer.BadParameter("needs DIR, the folder to be measured", param_hint="--through")
    from atelierd.cli.doctor_daemon import examine_daemon
    from atelierd.cli.doctor_machine import examine_machine

    fault: str | None = None
    try:
        here = surroundings(config)
    except ConfigError as error:
        here = Surroundings(None, default_state())
        fault = "; ".join(str(error).splitlines())
    examinations = (examine_daemon(here, find_config(config), fault), examine_machine(here))
    _report(chain(*examinations), as_json)


def _doctor_share(folder: Path, through: Path | None, as_json: bool, config: Path | None) -> None:
    from atelierd.cli.doctor_share import ShareExamination

    try:
        settings = surroundings(config).settings
    except ConfigError:
        # It is the folder that was asked about.
        settings = None
    served = settings is not None and folder.absolute() in (settings.inbox, settings.outbox)
    examination = ShareExamination(
        folder.absolute(),
        None if through is None else through.absolute(),
        settings.share if settings is not None and served else None,
    )

    def propose() -> None:
        if as_json or not examination.proposals:
            return
        say(stdout(), "\nFor the configuration:\n\nshare:")
        for proposal in examination.proposals:
            say(stdout(), f"  {proposal.line}")

    _report(examination.findings(), as_json, propose)


def _report(
    findings: Iterable[Finding], as_json: bool, end: Callable[[], None] = lambda: None
) -> None:
    """Tell what is found. Raises typer.Exit if something is wrong."""
    from atelierd.cli.findings import Level

    console = stdout()
    found: list[Finding] = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            _tell(console, finding)
    if as_json:
        say_json([asdict(finding) for finding in found])
    end()
    if any(finding.level is Level.FAIL for finding in found):
        raise typer.Exit(Exit.FAILED)


def _tell(console: Console, finding: Finding) -> None:
    line = Text.assemble(
        (f"{finding.level:5}", _STYLES[finding.level]), (f"{finding.topic:{_TOPIC_WIDTH}} ", "bold")
    )
    say(console, line.append_text(plain(finding.text, 2_000)))
    if finding.advice:
        say(console, plain(f"{'':{_TOPIC_WIDTH + 6}}{finding.advice}", 500, "cyan"))
