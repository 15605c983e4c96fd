"""What is to be expected of jobs, in words: when they begin, when they are done, if it is late."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, WorkLeft
from atelierd.ledger.states import JobState
from atelierd.schedule.outlook import Outlook, Task, look_ahead
from atelierd.schedule.telling import told_duration, told_end, told_soon
from atelierd.schedule.timetable import Timetable, Wishes
from atelierd.wording import shown

logger = logging.getLogger(__name__)

#: Jobs of the queue that are looked at, the first ones.
LOOKED_AT_MOST = 200
#: How often is looked ahead, and how often a job's page is written for a forecast that has moved.
LOOK_EVERY, TELL_EVERY = timedelta(seconds=5), timedelta(minutes=1)
#: Share of the time that looking ahead may take, however often jobs come and go.
LOOK_SHARE = 0.01
#: The states of jobs that are looked at; what was foretold of one before it was done is past.
_FORETOLD = (JobState.QUEUED, JobState.RUNNING)
#: Seconds of work that a job is taken to be at most: three thousand years, and no sum overflows.
_MOST_SECONDS = 1e11
#: A job that is late by less than this part of what it still takes may well be in time.
_SLACK = 0.05


@dataclass(frozen=True)
class Prospect:
    """What is to be expected of one job."""

    words: str
    """`done Tuesday 03:40`; empty where nothing can be said."""
    ends: datetime | None = None
    is_late: bool = False
    """Whether it cannot make its deadline, or has missed it."""
    waits: bool = False
    """Whether it waits for its hours."""


Prospects = Mapping[str, Prospect]
NO_PROSPECTS: Prospects = MappingProxyType({})


def in_order(jobs: Sequence[JobRow]) -> list[JobRow]:
    """Return jobs in the order in which they are worked on, as far as the ledger tells."""

    def urgency(job: JobRow) -> tuple[float, ...]:
        deadline = job.wishes.deadline
        return (
            -job.priority,
            job.state is not JobState.RUNNING,
            float("inf") if deadline is None else deadline.timestamp(),
            job.started_at is None,
            job.sequence,
        )

    return sorted(jobs, key=urgency)


class Forecaster:
    """Looks ahead over the ledger's queue."""

    def __init__(
        self,
        ledger: Ledger,
        timetable: Timetable,
        lanes: Callable[[], int] = lambda: 1,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`lanes` says how many devices there are, `clock` the present time."""
        self._ledger = ledger
        self.timetable = timetable
        """By which hours; another one counts from then on."""
        self._lanes = lanes
        self._clock = clock

    def prospects(self, unfinished: Sequence[JobRow]) -> Prospects:
        """Return what is to be expected of the jobs that are queued or running, by their ids.

        Raises WorldFault if the ledger cannot be read.
        """
        now = self._clock()
        work = self._ledger.work_left()
        jobs = [job for job in in_order(unfinished) if job.id in work][:LOOKED_AT_MOST]
        tasks = [self._task(job, work[job.id]) for job in jobs]
        outlooks = look_ahead(tasks, now, self._lanes())
        return {
            job.id: prospect_of(
                job.wishes,
                outlooks[job.id],
                now,
                self.timetable,
                is_running=bool(work[job.id].running),
            )
            for job in jobs
        }

    def tell_late(self, job: JobRow, prospect: Prospect) -> None:
        """Leave notice, once, that a job will not make its deadline. Raises WorldFault."""
        self._ledger.notices.late(job, prospect.words, prospect.ends)

    def _task(self, job: JobRow, left: WorkLeft) -> Task:
        return Task(
            key=job.id,
            work=None if left.unknown else timedelta(seconds=min(left.seconds, _MOST_SECONDS)),
            schedule=self.timetable.of(job.wishes.window),
            not_before=job.wishes.not_before,
            priority=job.priority,
            width=left.renders,
            is_running=bool(left.running),
        )


def prospect_of(
    wishes: Wishes, outlook: Outlook, now: datetime, timetable: Timetable, *, is_running: bool
) -> Prospect:
    """Return in words what is to be expected of a job with these wishes."""
    zone = timetable.zone
    schedule = timetable.of(wishes.window)
    parts = []
    is_closed = not schedule.is_open(now) or (
        wishes.not_before is not None and now < wishes.not_before
    )
    wanted, is_late = _wanted(wishes, outlook, now, timetable)
    if outlook.begins is None:
        hours = f"window {wishes.window}" if wishes.window else "its hours"
        words = f"waits, for {hours} and the daemon's windows have nothing in common"
        return Prospect("; ".join(filter(None, (words, wanted))), None, is_late, waits=True)
    waits = is_closed and not is_running
    if waits:
        parts.append(f"waits until {told_soon(outlook.begins, now, zone)}")
    if outlook.has is not None and outlook.work is not None:
        needs, has = told_duration(outlook.work), told_duration(outlook.has)
        parts.append(f"needs {needs}, the window has {has}")
    words = ", ".join(parts)
    if outlook.ends is not None:
        done = f"done {told_end(outlook.ends, now, zone)}"
        words = f"{words}{': ' if outlook.has is not None else ', ' if words else ''}{done}"
    words = "; ".join(filter(None, (words, wanted)))
    return Prospect(words, outlook.ends, is_late, waits)


def _wanted(
    wishes: Wishes, outlook: Outlook, now: datetime, timetable: Timetable
) -> tuple[str, bool]:
    """Return in words by when a job is wanted, and whether that is too early for it."""
    deadline, ends = wishes.deadline, outlook.ends
    if deadline is None:
        return "", False
    told = told_soon(deadline, now, timetable.zone)
    if deadline <= now:
        return f"too late: it was wanted by {told}", True
    never = outlook.begins is None
    if never or (ends is not None and ends - (ends - now) * _SLACK > deadline):
        return f"too late: it is wanted by {told}", True
    return f"wanted by {told}", False


def lateness(job: JobRow) -> str:
    """Return in words by how much a finished job has missed its deadline; empty if it has not."""
    deadline, finished = job.wishes.deadline, job.finished_at
    if deadline is None or finished is None or finished <= deadline:
        return ""
    return f"{told_duration(finished - deadline)} after its deadline"


@dataclass(frozen=True)
class _Told:
    prospect: Prospect
    at: float


class Outlooks:
    """What was foretold last, and which jobs are to be shown anew for it.

    A page is not written for every minute by which a forecast moves.
    """

    def __init__(self, forecaster: Forecaster | None, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self.prospects: Prospects = NO_PROSPECTS
        self._forecaster = forecaster
        self._clock = clock
        self._at = self._news_at = float("-inf")
        self._queue: list[tuple[str, JobState]] = []
        self._told: dict[str, _Told] = {}
        self._warned: set[str] = set()

    def look(self, unfinished: Sequence[JobRow]) -> list[str]:
        """Look ahead if it is time for it; return the jobs whose folders do not say it yet.

        Raises WorldFault.
        """
        now = self._clock()
        queue = [(job.id, job.state) for job in unfinished[:LOOKED_AT_MOST]]
        due = self._at if queue == self._queue else self._news_at
        if self._forecaster is None or now < due:
            return []
        self._queue = queue
        self.prospects = self._forecaster.prospects(unfinished)
        ended = self._clock()
        self._news_at = ended + (ended - now) / LOOK_SHARE
        self._at = max(now + LOOK_EVERY.total_seconds(), self._news_at)
        self._told = {key: told for key, told in self._told.items() if key in self.prospects}
        self._warned &= self.prospects.keys()
        for job in unfinished:
            prospect = self.prospects.get(job.id)
            if prospect is not None and prospect.is_late and job.id not in self._warned:
                # Where that fails, for the ledger's disk is full, it is told at a later look.
                self._forecaster.tell_late(job, prospect)
                self._warned.add(job.id)
                logger.warning("%s: %s", shown(job.folder), prospect.words)
        return [key for key, found in self.prospects.items() if self._is_news(key, found, now)]

    def misses(self, job: JobRow) -> bool:
        """Whether it is time to look ahead, for a job has come of which nothing was foretold."""
        waits = job.state in _FORETOLD and job.id not in self.prospects
        return waits and self._forecaster is not None and len(self.prospects) < LOOKED_AT_MOST

    def words(self, job: JobRow) -> str:
        """Return what a job's page says, which is what it says from now on."""
        prospect = self.prospects.get(job.id)
        if prospect is None or job.state not in _FORETOLD:
            return lateness(job)
        self._told[job.id] = _Told(prospect, self._clock())
        return prospect.words

    def _is_news(self, job_id: str, prospect: Prospect, now: float) -> bool:
        told = self._told.get(job_id)
        if told is None or not told.prospect.words:
            return bool(prospect.words)
        if (told.prospect.is_late, told.prospect.waits) != (prospect.is_late, prospect.waits):
            return True
        is_other = told.prospect.words != prospect.words
        return is_other and now - told.at >= TELL_EVERY.total_seconds()
