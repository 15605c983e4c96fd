"""When the jobs of a queue will be done: a pure look ahead over their hours.

The queue is played through as the dispatcher would work on it, from one change to the next: a job
ends, or somebody's hours begin or end. Nothing is more exact than what is known of how long the
jobs take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from atelierd.schedule.windows import FOREVER, HORIZON, Schedule, Span

#: Changes that are played through; what is still undone then is not foretold.
MOST_STEPS = 5_000
_NO_TIME = timedelta(0)


@dataclass(frozen=True)
class Task:
    """A job that is to be worked on."""

    key: str
    work: timedelta | None
    """What it takes with one device; None while nobody can tell."""
    schedule: Schedule
    not_before: datetime | None = None
    priority: int = 0
    width: int = 1
    """On how many devices it can be worked on at once."""
    is_running: bool = False


@dataclass(frozen=True)
class Outlook:
    """What is to be expected of one job."""

    begins: datetime | None
    """When work begins or goes on; None if not within a year."""
    ends: datetime | None
    """When it is done; None where that cannot be told."""
    work: timedelta | None
    """What it takes with one device."""
    has: timedelta | None = None
    """What its first hours leave it, where it needs those of more than one night."""


@dataclass
class _Course:
    """A task on its way."""

    task: Task
    spans: Iterator[Span]
    span: Span | None
    left: timedelta
    begins: datetime | None = None
    ends: datetime | None = None
    is_held: bool = False
    """Whether it is worked on at present: the device is taken from it only by a more urgent one."""

    def at(self, now: datetime) -> bool:
        """Go on to `now`, and return whether it may be worked on then."""
        while self.span is not None and self.span.ends <= now:
            self.span = next(self.spans, None)
        return self.span is not None and self.span.begins <= now

    def next_change(self, now: datetime) -> datetime:
        """Return when its hours begin or end next."""
        if self.span is None:
            return FOREVER
        return self.span.ends if self.span.begins <= now else self.span.begins


def look_ahead(tasks: Sequence[Task], now: datetime, lanes: int = 1) -> Mapping[str, Outlook]:
    """Return what is to be expected of each task by its key.

    `tasks` come in the order in which they would be begun, were all of them open; `lanes` devices
    work on them.
    """
    # In UTC, for sums of one zone's datetimes pass over changes of its clock.
    now = now.astimezone(UTC)
    courses = [_course(task, now) for task in tasks]
    pending = list(courses)
    horizon = now + HORIZON
    moment = now
    for _ in range(MOST_STEPS):
        pending = [one for one in pending if one.ends is None and one.span is not None]
        if not pending or moment >= horizon:
            break
        shares = _shares(pending, moment, max(1, lanes))
        until = min(one.next_change(moment) for one in pending)
        for one, share in shares:
            if one.begins is None:
                one.begins = moment
            until = min(until, _after(moment, one.left / share))
        if until >= horizon:
            break  # what takes longer than is looked ahead is not foretold
        for one, share in shares:
            one.left -= share * (until - moment)
            if one.left <= timedelta(microseconds=share):
                one.ends = until
        moment = until
    return {one.task.key: _outlook(one, now) for one in courses}


def _course(task: Task, now: datetime) -> _Course:
    spans = task.schedule.spans(max(now, task.not_before or now))
    return _Course(task, spans, next(spans, None), task.work or _NO_TIME, is_held=task.is_running)


def _shares(pending: Sequence[_Course], now: datetime, lanes: int) -> list[tuple[_Course, int]]:
    """Return what is worked on at `now`, and by how many devices each."""
    ready = [one for one in pending if one.at(now)]
    ready.sort(key=lambda one: (-one.task.priority, not one.is_held))
    for one in pending:
        one.is_held = False
    shares = []
    for one in ready:
        share = min(lanes, one.task.width)
        if share:
            one.is_held = True
            shares.append((one, share))
        lanes -= share
    return shares


def _after(moment: datetime, duration: timedelta) -> datetime:
    return moment + duration if duration < HORIZON else FOREVER


def _outlook(course: _Course, now: datetime) -> Outlook:
    task = course.task
    begins = course.begins
    if begins is None:
        begins = task.schedule.opens(max(now, task.not_before or now))
    if task.work is None or course.ends is None:
        return Outlook(begins, None, task.work)
    assert course.begins is not None
    first = next(task.schedule.spans(course.begins))
    has = first.ends - course.begins if first.ends < course.ends else None
    return Outlook(begins, course.ends, task.work, has)
