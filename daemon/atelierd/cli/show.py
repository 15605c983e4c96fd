"""`atelierd show`: all about one job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from atelierd.cli import words
from atelierd.cli.configuration import ConfigOption, read_config
from atelierd.cli.ledgers import JobArgument, opened
from atelierd.cli.options import JsonOption
from atelierd.cli.terminal import grid, plain, say, say_json, say_table, stdout

#: Renders, attempts of one render, inputs and files that are listed; `--json` has all.
LISTED_AT_MOST = 30
ATTEMPTS_AT_MOST = 5


def show(name: JobArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Say all about one job: settings, pictures, attempts, files, and why it failed."""
    from atelierd.cli.jobfacts import job_facts

    settings = read_config(config)
    with opened(settings) as ledger:
        facts = job_facts(settings, ledger, ledger.job(name))
    if as_json:
        say_json(facts)
        return
    console = stdout()
    _say_job(console, facts)
    _say_renders(console, facts["renders"])
    _say_attempts(console, facts["renders"])
    _say_listed(console, "input", facts["inputs"], "path")
    _say_listed(console, "file", facts["files"], "name")


def _say_job(console: Console, facts: Mapping[str, Any]) -> None:
    table = grid("", "")
    table.add_row("job", plain(facts["name"], style="bold"))
    table.add_row("id", facts["id"])
    state = facts["state"]
    table.add_row("state", plain(state, style=words.COLORS.get(state, "")))
    for line in str(facts["reason"]).splitlines():
        table.add_row("", plain(line, 2_000))
    table.add_row("job file", plain(facts["source"], 1_000))
    table.add_row("folder", plain(facts["folder"], 4_096))
    if facts["folder_fault"]:
        table.add_row("", plain(facts["folder_fault"], 2_000, "yellow"))
    for key in ("submitted", "accepted", "started", "finished"):
        if facts[key]:
            table.add_row(key, _moment(facts[key]))
    for label, line in _timing(facts):
        table.add_row(label, plain(line, 500))
    if facts["priority"]:
        table.add_row("priority", str(facts["priority"]))
    for label, line in _settings(facts["settings"]):
        table.add_row(label, plain(line, 500))
    say_table(console, table)


def _timing(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say when the job may be worked on, by when it is wanted, and what is to be expected."""
    for key in ("not_before", "deadline"):
        if key in facts:
            yield key.replace("_", " "), _moment(facts[key])
    for key in ("window", "expected", "late"):
        if isinstance(facts.get(key), str) and facts[key]:
            yield key, facts[key]


def _settings(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    label = "settings"
    for key, value in settings.items():
        text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
        yield label, f"{key}: {text}"
        label = ""


def _say_renders(console: Console, renders: Sequence[Mapping[str, Any]]) -> None:
    if not renders:
        return
    table = _table("render", "state", "iterations", "objective", "seconds", "")
    for render in renders[:LISTED_AT_MOST]:
        done = f"{render['iteration']:,}/{render['iterations']:,}" if "iteration" in render else ""
        remark = words.first_line(render.get("reason", ""))
        if "seconds_left" in render:
            remark = f"{words.clock(render['seconds_left'])} left"
        table.add_row(
            plain(render["title"], 300),
            plain(render["state"], style=words.COLORS.get(render["state"], "")),
            done,
            words.objective(render.get("objective")),
            f"{render['seconds']:,.1f}" if "seconds" in render else "",
            plain(remark, 300),
        )
    _end(console, table, len(renders), "render")


def _say_attempts(console: Console, renders: Sequence[Mapping[str, Any]]) -> None:
    """Say what became of each attempt; where all went well at once, there is nothing to say."""
    tried = [(one, tries) for one in renders if (tries := one["attempts"]) and _is_news(tries)]
    if not tried:
        return
    table = _table("attempt", "begun", "seconds", "outcome", "")
    for render, tries in tried[:LISTED_AT_MOST]:
        for attempt in tries[-ATTEMPTS_AT_MOST:]:
            table.add_row(
                plain(f"{attempt['number']} of {render['title']}", 300),
                _moment(attempt["started"]),
                "" if attempt["seconds"] is None else f"{attempt['seconds']:,.1f}",
                attempt["outcome"] or "running",
                plain(words.first_line(attempt["reason"]), 300),
            )
    _end(console, table, len(tried), "render")


def _is_news(attempts: Sequence[Mapping[str, Any]]) -> bool:
    return len(attempts) > 1 or attempts[0]["outcome"] not in (None, "finished")


def _say_listed(console: Console, what: str, listed: Sequence[Mapping[str, Any]], key: str) -> None:
    if not listed:
        return
    table = _table(what, "size", "")
    for one in listed[:LISTED_AT_MOST]:
        digest = f"SHA-256 {one['sha256'][:16]}…" if "sha256" in one else ""
        table.add_row(plain(one[key], 1_000), words.size(one["size"]), digest)
    _end(console, table, len(listed), what)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        right = heading in ("iterations", "objective", "seconds", "size")
        table.add_column(heading, overflow="fold", justify="right" if right else "left")
    return table


def _end(console: Console, table: Table, number: int, what: str) -> None:
    say(console, "")
    say_table(console, table)
    more = number - LISTED_AT_MOST
    if more > 0:
        say(console, f"and {words.count(more, f'more {what}')}; --json has all")


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"
