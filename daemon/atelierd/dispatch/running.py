"""What the dispatcher is told, what it is busy with, and what it shows of that."""

from __future__ import annotations

import math
from concurrent.futures import Future
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.outbox.folder import JobFolder
from atelierd.render.segment import SegmentOrder, SegmentReport


@dataclass
class DispatchPlan:
    """Where the dispatcher works, and within which bounds.

    All parts of dispatch hold the same one and go by what it says at the time.
    """

    state: Path
    outbox: Path
    segment: timedelta
    attempts: int
    hang_after: timedelta
    #: Bytes that stay free on the disks of outbox and state folder.
    free_space: int

    def work(self, render_id: str) -> Path:
        """Return a render's own folder, for checkpoints and pictures on their way."""
        return self.state / "renders" / render_id

    def adopt(self, other: DispatchPlan) -> None:
        """Be like another plan from now on; what is under way goes on as it was begun."""
        for field in fields(self):
            setattr(self, field.name, getattr(other, field.name))


@dataclass(frozen=True)
class Working:
    """What the device is busy with, for those who watch."""

    job: JobRow
    render: RenderRow
    report: SegmentReport | None
    """The last segment's; None before the first one has ended."""
    deadline: float = math.inf
    """When the worker is taken to hang and replaced, by the monotonic clock."""


@dataclass
class Running:
    """A segment that a worker has been asked for, or has done."""

    job: JobRow
    render: RenderRow
    folder: JobFolder
    order: SegmentOrder
    future: Future[SegmentReport]
    deadline: float
    report: SegmentReport | None = None
    """The last one before it."""
    unpublished: bool = False
    """Whether pictures of an earlier segment could not be published yet."""

    @property
    def seen(self) -> Working:
        """What there is to see of it."""
        return Working(self.job, self.render, self.report, self.deadline)
