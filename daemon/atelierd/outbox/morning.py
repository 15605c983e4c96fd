"""The morning report's turn: when it is due, what it tells, and that it is written once."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as time_of_day
from pathlib import Path, PurePosixPath

from atelierd import durable
from atelierd.errors import WorldFault
from atelierd.events import Event
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.ledger.states import JobState
from atelierd.outbox import layout
from atelierd.outbox.errors import FolderLostError, FolderTakenError
from atelierd.outbox.folder import folder_of, opened, opened_inside, opened_outbox, regular_file
from atelierd.outbox.overview import WaitingFile
from atelierd.outbox.pages.cards import Card, card_of, subject_of
from atelierd.outbox.pages.morning import (
    LAST_REPORT,
    Finished,
    Morning,
    embedded,
    linked,
    morning_file,
)
from atelierd.wording import shown

logger = logging.getLogger(__name__)

#: Finished and unfinished jobs that a report shows; the others are counted.
SHOWN_AT_MOST = 300
#: Bytes of pictures in the page itself; the others are links into the outbox.
EMBEDDED_AT_MOST = 4_000_000
#: Bytes of one small picture; more than that is none of ours.
_LARGEST = 300_000

#: Gives the names of folders that were removed from a time on, before another one.
RemovedBetween = Callable[[datetime, datetime], Sequence[str]]

#: Mark in the ledger: the day that was reported last.
_REPORTED = "reported day"


@dataclass(frozen=True)
class Period:
    """A day as reports count it: from one morning to the next."""

    day: date
    since: datetime
    until: datetime


def last_period(now: datetime, at: time_of_day, zone: tzinfo | None = None) -> Period:
    """Return the last period that has ended by `now`; `at` is local time.

    `zone` is the system's own where it is left out. Where clocks are set forward over `at`, the
    period ends as much later; where they are set back, the first of the two counts.
    """
    day = now.astimezone(zone).date()
    if _moment(day, at, zone) > now:
        day -= timedelta(days=1)
    return Period(day, _moment(day - timedelta(days=1), at, zone), _moment(day, at, zone))


def _moment(day: date, at: time_of_day, zone: tzinfo | None) -> datetime:
    local = datetime.combine(day, at)
    # In UTC, for datetimes of one zone are compared by what their clocks show.
    return (local if zone is None else local.replace(tzinfo=zone)).astimezone(UTC)


class MorningReports:
    """Writes `reports/<day>.html` once a day, a little at each turn."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Path,
        at: time_of_day | None,
        zone: tzinfo | None = None,
        clock: Callable[[], float] = time.monotonic,
        removed: RemovedBetween = lambda _since, _until: (),
    ) -> None:
        """`at` is the local time at which it is due, None for never; `clock` gives seconds.

        `removed` returns the folders that were removed from the outbox in a time.
        """
        self._ledger = ledger
        self._outbox = outbox
        self.at = at
        """When it is due."""
        self._zone = zone
        self._clock = clock
        self._removed = removed
        self._reported: str | None = None
        self._steps: Generator[None, None, None] | None = None
        self._period: Period | None = None

    @property
    def is_behind(self) -> bool:
        """Whether a report is begun that is not written yet."""
        return self.at is not None and self._steps is not None

    def turn(
        self,
        now: datetime,
        until: float,
        waiting: Sequence[WaitingFile] = (),
        trouble: Sequence[str] = (),
    ) -> None:
        """Go on with the report that is due, if there is one, until the clock passes `until`.

        Raises WorldFault; then it is written later.
        """
        if self.at is None:
            return
        period = last_period(now, self.at, self._zone)
        if period != self._period:
            self._period, self._steps = period, None
        if not self._is_due(period):
            return
        if self._steps is None:
            self._steps = self._write(period, now, waiting, trouble)
        try:
            next(self._steps)
            while self._clock() < until:
                next(self._steps)
        except StopIteration:
            self._steps = None
        except WorldFault:
            self._steps = None
            raise
        except Exception:
            # What lies in the outbox is anybody's: no surprise in there is worth the daemon.
            logger.exception("the report of %s cannot be drawn; going on without", period.day)
            self._steps = None
            self._settle(period, None)

    def _is_due(self, period: Period) -> bool:
        if self._reported is None:
            self._reported = self._ledger.notices.mark(_REPORTED) or ""
        # Also where the clock was set back: a day that was reported is not reported again.
        return period.day.isoformat() > self._reported

    def _write(
        self,
        period: Period,
        now: datetime,
        waiting: Sequence[WaitingFile],
        trouble: Sequence[str],
    ) -> Generator[None, None, None]:
        jobs = self._ledger.finished_between(period.since, period.until)
        unfinished = self._unfinished(period.until)
        removed = self._removed(period.since, period.until)
        if not jobs and not unfinished and not removed:
            self._settle(period, None)
            return
        finished = yield from self._gather(jobs[:SHOWN_AT_MOST])
        morning = Morning(
            day=period.day,
            since=period.since,
            until=period.until,
            finished=finished,
            more=len(jobs) - len(finished),
            unfinished=[self._card(job) for job in unfinished[:SHOWN_AT_MOST]],
            unfinished_more=max(0, len(unfinished) - SHOWN_AT_MOST),
            waiting=waiting,
            trouble=trouble,
            removed=removed,
        )
        try:
            name = self._publish(period.day, morning_file(morning, now))
        except FolderTakenError as error:
            logger.warning("%s: %s; there is no report of %s", self._outbox, error, period.day)
            self._settle(period, None)
            return
        facts = {
            "date": period.day.isoformat(),
            "file": name,
            "since": period.since.isoformat(timespec="seconds"),
            "jobs": dict(Counter(job.state.value for job in jobs)),
            "unfinished": len(unfinished),
            "waiting_files": len(waiting),
        }
        self._settle(period, facts)
        logger.info("the report of %s is written: %s", period.day, name)

    def _gather(self, jobs: Sequence[JobRow]) -> Generator[None, None, list[Finished]]:
        room = EMBEDDED_AT_MOST
        finished = []
        for job in jobs:
            one, used = self._finished(job, room)
            room -= used
            finished.append(one)
            yield
        return finished

    def _publish(self, day: date, page: bytes) -> str:
        """Write a report and return its path in the outbox. Raises FolderTakenError, WorldFault."""
        name = f"{day.isoformat()}.html"
        with opened_outbox(self._outbox) as here, opened_inside(here, layout.REPORTS) as folder:
            if (folder / layout.MARKER).exists():
                # Of a time when this name was not taken.
                raise FolderTakenError(f"{layout.REPORTS} is the folder of a job")
            durable.write_bytes(folder / name, page)
        return f"{layout.REPORTS}/{name}"

    def _settle(self, period: Period, facts: dict[str, object] | None) -> None:
        """Note that the period is reported, and what of it is to be told."""
        day = period.day.isoformat()
        if facts is None:
            self._ledger.notices.set_mark(_REPORTED, day)
        else:
            marks = {_REPORTED: day, LAST_REPORT: str(facts["file"])}
            self._ledger.notices.happened(Event.REPORT, facts, marks)
        self._reported = day

    def _unfinished(self, until: datetime) -> list[JobRow]:
        """Return the jobs that were there at `until` and are not finished, as people read them."""
        states = (JobState.RUNNING, JobState.QUEUED, JobState.HELD)
        jobs = [job for job in self._ledger.jobs(states) if job.accepted_at < until]
        return sorted(jobs, key=lambda job: (states.index(job.state), -job.priority, job.sequence))

    def _card(self, job: JobRow) -> Card:
        renders = self._ledger.renders(job.id)
        return card_of(job, renders, subject_of(job, renders))

    def _finished(self, job: JobRow, room: int) -> tuple[Finished, int]:
        """Return a job as it is shown, and how many bytes of pictures of it are in the page."""
        card = self._card(job)
        pictures: list[str] = []
        used = 0
        try:
            with opened(folder_of(self._outbox, job)) as here:
                if card.thumbs:
                    with opened_inside(here, layout.REPORT_FILES) as files:
                        for thumb in card.thumbs:
                            data = _picture(files / PurePosixPath(thumb.path).name)
                            if data is None:
                                continue
                            if used + len(data) <= room:
                                used += len(data)
                                pictures.append(embedded(data))
                            else:
                                pictures.append(linked(thumb.path))
        except FolderLostError:
            return Finished(card, (), is_there=False), 0
        except (FolderTakenError, WorldFault) as error:
            # One folder that cannot be read is no reason to tell nothing of the others.
            logger.warning("%s: shown without its pictures: %s", shown(job.folder), error)
        return Finished(card, tuple(pictures)), used


def _picture(path: Path) -> bytes | None:
    """Return one of our small pictures; None if it is not there or is something else."""
    with regular_file(path) as file:
        data = b"" if file is None else file.read(_LARGEST + 1)
    return data if data.startswith(b"\xff\xd8\xff") and len(data) <= _LARGEST else None
