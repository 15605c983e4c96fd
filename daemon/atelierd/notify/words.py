"""What a notice says: in a sentence, as a message's lines, as a call's JSON."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from atelierd.events import Event
from atelierd.ledger.notices import Notice
from atelierd.wording import shown

#: Characters of a subject, of a name in it, and of a line of a reason.
_LONGEST_SUBJECT, _LONGEST_NAME, _LONGEST_LINE = 150, 80, 1_000
#: Lines of a reason.
_MOST_LINES = 40


def sentence(notice: Notice) -> str:
    """Return one line that says all that matters; nothing in it steers a terminal or a header."""
    facts = notice.facts
    match notice.event:
        case Event.DONE:
            pictures = _several(facts["renders"].get("done", 0), "picture")
            text = f"{_name(facts)} is done: {pictures}, {_duration(facts['seconds'])}"
        case Event.FAILED:
            text = f"{_name(facts)} has failed{_partly(facts['renders'])}"
        case Event.LATE:
            text = f"{_name(facts)}: {facts['expected']}"
        case Event.EMPTY:
            text = f"the queue is empty: {_counted(facts['jobs'])}"
        case Event.OFFLINE:
            text = "the queue waits: the share or a disk cannot be used"
        case Event.BACK:
            text = f"the queue goes on, after {_duration(facts['seconds'])}"
        case Event.REPORT:
            text = f"report of {facts['date']}: {_counted(facts['jobs'])}"
    return shown(text, _LONGEST_SUBJECT)


def lines(notice: Notice) -> list[str]:
    """Return the lines of a message."""
    facts = notice.facts
    told = [f"{sentence(notice)}.", ""]
    reasons = [*str(facts.get("reason", "")).splitlines(), *facts.get("trouble", ())]
    told += [shown(str(reason), _LONGEST_LINE) for reason in reasons[:_MOST_LINES]]
    if told[-1]:
        told.append("")
    rows = [
        ("job", facts.get("name")),
        ("job file", facts.get("source")),
        ("in the outbox", facts.get("job") or facts.get("file")),
        ("wanted by", facts.get("deadline")),
        ("since", facts.get("since")),
        ("time", notice.happened_at.astimezone().isoformat(sep=" ", timespec="seconds")),
        ("machine", socket.gethostname()),
    ]
    told += [f"{label + ':':<15}{shown(str(value), 300)}" for label, value in rows if value]
    return told


def payload(notice: Notice) -> Mapping[str, Any]:
    """Return what a call carries: plain JSON data."""
    return {
        "id": notice.uid,
        "event": notice.event.value,
        "time": notice.happened_at.astimezone(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "text": sentence(notice),
        **notice.facts,
    }


def _name(facts: Mapping[str, Any]) -> str:
    return shown(str(facts["job"]), _LONGEST_NAME)


def _partly(renders: Mapping[str, int]) -> str:
    total = sum(renders.values())
    if not total:
        return ": its job file was refused"
    return f": {renders.get('failed', 0):,} of {_several(total, 'picture')}" if total > 1 else ""


def _counted(jobs: Mapping[str, int]) -> str:
    counts = [f"{count:,} {state}" for state, count in jobs.items() if count]
    return ", ".join(counts) or "nothing was done"


def _several(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"
