"""What people can be told of, by a message or a call to their own machine."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Event(StrEnum):
    """Something that happened."""

    DONE = "done"
    FAILED = "failed"
    LATE = "late"
    EMPTY = "empty"
    OFFLINE = "offline"
    BACK = "back"
    REPORT = "report"


#: When each is told.
WORDS: Mapping[Event, str] = {
    Event.DONE: "a job is done",
    Event.FAILED: "a job has failed, wholly or in part, or its file was refused",
    Event.LATE: "a job is foretold to miss its deadline, or has missed it; once for each",
    Event.EMPTY: "all that was in the queue is finished",
    Event.OFFLINE: "the share or a disk cannot be used, and the queue waits",
    Event.BACK: "it can be used again, and the queue goes on",
    Event.REPORT: "the morning report is written",
}
