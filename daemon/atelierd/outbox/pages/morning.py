"""The morning report: one page of what a day and a night have brought, complete in itself."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from markupsafe import Markup

from atelierd.ledger.states import JobState
from atelierd.outbox.overview import WaitingFile
from atelierd.outbox.pages.cards import Card
from atelierd.outbox.pages.markup import MORNING_ASSETS, page, url

#: Mark in the ledger: the last report's file, relative to the outbox.
LAST_REPORT = "last report"
#: From the page to the outbox.
_UP = "../"


@dataclass(frozen=True)
class Finished:
    """A job that has finished."""

    card: Card
    #: Sources of its small pictures: data of the picture itself, or a link to it.
    pictures: tuple[str, ...]
    #: Whether its folder still lies in the outbox.
    is_there: bool = True


@dataclass(frozen=True)
class Morning:
    """What the page tells."""

    day: date
    since: datetime
    until: datetime
    #: In the order in which they finished.
    finished: Sequence[Finished]
    #: Finished jobs beyond those.
    more: int
    #: Jobs that run, wait in line or are held, in this order.
    unfinished: Sequence[Card]
    unfinished_more: int
    waiting: Sequence[WaitingFile]
    trouble: Sequence[str]
    #: Names of folders that were removed for their age, or for want of space.
    removed: Sequence[str] = ()

    def in_state(self, *states: JobState) -> list[Finished]:
        """Return the finished jobs in one of `states`."""
        return [one for one in self.finished if one.card.job.state in states]

    @property
    def pictures(self) -> int:
        """How many pictures the finished jobs have."""
        return sum(one.card.done for one in self.finished)

    @property
    def seconds(self) -> float:
        """Of work that the finished jobs have taken."""
        return sum(one.card.seconds for one in self.finished)


def embedded(jpeg: bytes) -> str:
    """Return a picture as a source that needs no file."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def linked(path: str) -> str:
    """Return a picture of the outbox as a source on the page."""
    return _UP + url(path)


def morning_file(morning: Morning, written: datetime) -> bytes:
    """Return the whole page."""
    groups = [
        ("failed", "Failed", morning.in_state(JobState.FAILED)),
        ("done", "Done", morning.in_state(JobState.DONE)),
        ("cancelled", "Cancelled", morning.in_state(JobState.CANCELLED)),
    ]
    return page(
        "morning.html",
        *MORNING_ASSETS,
        morning=morning,
        groups=[group for group in groups if group[2]],
        up=Markup(_UP),
        written=written,
    )
