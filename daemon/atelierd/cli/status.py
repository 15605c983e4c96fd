"""`atelierd status`: what the daemon is doing, once or kept up to date."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from atelierd.cli import words
from atelierd.cli.configuration import ConfigOption, read_config
from atelierd.cli.ledgers import opened
from atelierd.cli.options import JsonOption
from atelierd.cli.terminal import grid, is_live, plain, say, say_json, say_table, stdout
from atelierd.ledger.states import JobState

if TYPE_CHECKING:
    from atelierd.ledger import Ledger
    from atelierd.ledger.rows import JobRow
    from atelierd.settings import Settings

#: Jobs of one kind that are named.
NAMED_AT_MOST = 8
#: Failed jobs whose reasons are shown, the newest.
FAILED_SHOWN = 3
#: Seconds between two looks of `--watch`.
LOOK_EVERY = 1.0


@dataclass(frozen=True)
class _Facts:
    overview: Mapping[str, Any]
    failed: Sequence[JobRow]


def status(
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            "-w",
            help="Keep it up to date until Ctrl-C. In a pipe it is printed again when it has "
            "changed, with --json as one line.",
        ),
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what the daemon is doing, what waits for what, and what went wrong."""
    settings = read_config(config)
    with opened(settings) as ledger:
        facts = _facts(settings, ledger)
        if watch:
            _watch(lambda: _facts(settings, ledger), facts, as_json=as_json)
        elif as_json:
            say_json(facts.overview)
        else:
            say_table(stdout(), _table(facts))


def _facts(settings: Settings, ledger: Ledger) -> _Facts:
    from atelierd.cli.overview import overview

    return _Facts(overview(settings, ledger), ledger.jobs((JobState.FAILED,), FAILED_SHOWN))


def _watch(look: Callable[[], _Facts], first: _Facts, *, as_json: bool) -> None:
    """Show what `look` finds, over and over; Ctrl-C is the ordinary end of it."""
    console = stdout()
    try:
        if is_live(console) and not as_json:
            _watch_on_screen(console, look, first)
        else:
            _watch_in_pipe(console, look, first, as_json=as_json)
    except KeyboardInterrupt:
        return


def _watch_on_screen(console: Console, look: Callable[[], _Facts], facts: _Facts) -> None:
    def picture() -> RenderableType:
        return _table(facts)

    with Live(picture(), console=console, auto_refresh=False, transient=False) as live:
        while True:
            live.update(picture(), refresh=True)
            time.sleep(LOOK_EVERY)
            facts = look()


def _watch_in_pipe(
    console: Console, look: Callable[[], _Facts], facts: _Facts, *, as_json: bool
) -> None:
    shown: _Facts | None = None
    while True:
        if facts != shown:
            if as_json:
                say_json(facts.overview, indent=None)
            else:
                if shown is not None:
                    say(console, "")
                say_table(console, _table(facts))
            # Whoever reads the pipe is to have it now.
            console.file.flush()
        shown = facts
        time.sleep(LOOK_EVERY)
        facts = look()


def _table(found: _Facts) -> Table:
    facts = found.overview
    table = grid("", "")
    table.add_row("daemon", _daemon_line(facts["daemon"]))
    for trouble in facts["config_trouble"]:
        words_of_it = f"changed, but not used, for it is wrong: {trouble}"
        table.add_row(plain("configuration", style="bold red"), plain(words_of_it, 2_000))
    for trouble in facts["trouble"]:
        table.add_row(plain("paused", style="bold red"), plain(trouble, 2_000))
    for line in _running_lines(facts["running"]):
        table.add_row(plain("running", style="cyan"), plain(line, 500))
    for title, state in (("queue", "queued"), ("held", "held")):
        listed = facts["queue" if state == "queued" else "held"]
        if listed:
            table.add_row(title, plain(_names(listed, facts["jobs"][state]), 2_000))
            for line in _expected_lines(listed):
                table.add_row("", plain(line, 500))
    for line in _waiting_lines(facts):
        table.add_row(plain("waiting", style="yellow"), plain(line, 500))
    counts = [f"{count:,} {state}" for state, count in facts["jobs"].items() if count]
    table.add_row("jobs", ", ".join(counts) or "none yet")
    for row in found.failed:
        reason = words.first_line(row.reason)
        table.add_row(plain("failed", style="red"), plain(f"{row.folder}: {reason}", 500))
    return table


def _daemon_line(daemon: Mapping[str, Any]) -> str:
    if not daemon["running"]:
        return "not running; start it with `atelierd run`"
    since = datetime.fromisoformat(daemon["since"]).astimezone()
    return f"process {daemon['pid']}, since {since:%Y-%m-%d %H:%M}"


def _running_lines(running: list[Mapping[str, Any]]) -> Iterator[str]:
    for job in running:
        for render in job["renders"]:
            if render["state"] == "running":
                told = job.get("expected", "")
                yield (
                    f"{job['job']} › {render['title']}  "  # noqa: RUF001
                    f"{render['iteration']}/{render['iterations']}  "
                    f"objective {words.objective(render['objective'])}  "
                    f"{words.clock(render.get('seconds_left'))} left{told and f', {told}'}"
                )


def _expected_lines(listed: list[Mapping[str, Any]]) -> Iterator[str]:
    """Say of the first jobs what is to be expected."""
    for job in listed[:NAMED_AT_MOST]:
        if job.get("expected"):
            yield f"{job['job']}: {job['expected']}"


def _waiting_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    for file in facts["waiting"][:NAMED_AT_MOST]:
        yield f"{file['file']}: {file['reason']}"
    untold = facts["waiting_files"] - NAMED_AT_MOST
    if untold > 0:
        yield f"and {words.count(untold, 'more file')} in the inbox"


def _names(listed: list[Mapping[str, Any]], number: int) -> str:
    names = ", ".join(job["job"] for job in listed[:NAMED_AT_MOST])
    more = ", ..." if number > NAMED_AT_MOST else ""
    return f"{words.count(number, 'job')}: {names}{more}"
