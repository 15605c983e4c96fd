"""Which renders may be worked on now, by the daemon's windows and what their jobs wish for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, RunnableRender
from atelierd.schedule.telling import told_moment
from atelierd.schedule.timetable import NO_WISHES, Timetable, Wishes
from atelierd.schedule.windows import FOREVER
from atelierd.schedulesettings import ScheduleSettings


@dataclass(frozen=True)
class Resting:
    """All that is queued waits for its hours."""

    jobs: int
    until: datetime | None
    """When the first of them may go on; None if not within a year."""
    words: str

    def lasts(self, now: datetime, longer_than: timedelta) -> bool:
        """Whether none of them goes on for so long."""
        return self.until is None or self.until - now > longer_than


@dataclass(frozen=True)
class _Answer:
    """What holds from one moment to another, so that it need not be found again for each job."""

    since: datetime
    until: datetime
    is_open: bool


class Rota:
    """Asks the windows what the wall clock makes of them."""

    def __init__(
        self,
        timetable: Timetable | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        previews_first: bool = False,
    ) -> None:
        """`clock` gives the present time; `previews_first` has every job get its draft first."""
        self.previews_first = previews_first
        self._timetable = timetable or Timetable()
        self._clock = clock
        self._known: dict[str, _Answer] = {}
        self._resting: Resting | None = None
        # Of which renders that was found, and from when until when it holds.
        self._rested: tuple[Sequence[RunnableRender], datetime, datetime] = ((), FOREVER, FOREVER)

    @classmethod
    def of(cls, settings: ScheduleSettings) -> Rota:
        """Return the rota that the configuration asks for."""
        return cls(settings.timetable, previews_first=settings.previews == "first")

    def change(self, settings: ScheduleSettings) -> None:
        """Go by other windows from now on; a render outside them stops at its next segment."""
        self.previews_first = settings.previews == "first"
        self._timetable = settings.timetable
        self._known = {}
        self._rested = ((), FOREVER, FOREVER)

    def is_open(self, wishes: Wishes) -> bool:
        """Whether a job may be worked on now."""
        now = self._clock()
        if wishes.not_before is not None and now < wishes.not_before:
            return False
        known = self._known.get(wishes.window)
        # Also where the clock was set back.
        if known is None or not known.since <= now < known.until:
            known = self._known[wishes.window] = self._asked(wishes.window, now)
        return known.is_open

    def is_closed_for(self, length: timedelta) -> bool:
        """Whether the daemon works on nothing now, and will not for so long."""
        if self.is_open(NO_WISHES):
            return False
        opens = self._opens(NO_WISHES)
        return opens is None or opens - self._clock() > length

    def open_of(self, runnable: Iterable[RunnableRender]) -> list[RunnableRender]:
        """Return those that may be worked on now."""
        return [one for one in runnable if self.is_open(one.wishes)]

    def wants_draft(self, ledger: Ledger, job: JobRow) -> bool:
        """Whether a job is to get its draft now."""
        return self.previews_first and not ledger.has_draft(job.id)

    def drafts_wait(self, runnable: Iterable[RunnableRender]) -> bool:
        """Whether jobs wait for their drafts, which come before all others' long renders."""
        return self.previews_first and not all(one.drafted for one in runnable)

    @staticmethod
    def why_draft(ledger: Ledger, job: JobRow) -> str | None:
        """Return why a job has to yield to others' drafts; None while it has none itself."""
        return "others get their previews first" if ledger.has_draft(job.id) else None

    def why_closed(self, wishes: Wishes) -> str | None:
        """Return why a job may not be worked on now, and until when; None if it may."""
        if self.is_open(wishes):
            return None
        opens = self._opens(wishes)
        until = "" if opens is None else f" until {told_moment(opens, self._timetable.zone)}"
        return f"its hours are over{until}"

    def resting(self, runnable: Sequence[RunnableRender]) -> Resting | None:
        """Return that all of `runnable` waits for its hours; None if some may go on, or is none."""
        now = self._clock()
        known, since, until = self._rested
        if runnable is known and since <= now < until:
            return self._resting
        self._resting = self._found_resting(runnable)
        ends = None if self._resting is None else self._resting.until
        self._rested = runnable, now, now if self._resting is None else ends or FOREVER
        return self._resting

    def _found_resting(self, waiting: Sequence[RunnableRender]) -> Resting | None:
        if not waiting or any(self.is_open(one.wishes) for one in waiting):
            return None
        moments = [self._opens(wishes) for wishes in {one.wishes for one in waiting}]
        until = min((moment for moment in moments if moment is not None), default=None)
        return Resting(len(waiting), until, self._told(len(waiting), until))

    def told_resting(self, ledger: Ledger) -> str:
        """Return in words that the whole queue waits for its hours; empty if it does not."""
        resting = self.resting(ledger.runnable())
        return "" if resting is None else resting.words

    def _told(self, jobs: int, until: datetime | None) -> str:
        words = "1 job waits for its hours" if jobs == 1 else f"{jobs:,} jobs wait for their hours"
        if until is None:
            return words
        first = "" if jobs == 1 else "the first "
        return f"{words}, {first}until {told_moment(until, self._timetable.zone)}"

    def _opens(self, wishes: Wishes) -> datetime | None:
        now = self._clock()
        return self._timetable.of(wishes.window).opens(max(now, wishes.not_before or now))

    def _asked(self, window: str, now: datetime) -> _Answer:
        schedule = self._timetable.of(window)
        opens = schedule.opens(now)
        if opens is None or opens > now:
            return _Answer(now, opens or FOREVER, is_open=False)
        return _Answer(now, schedule.closes(now) or FOREVER, is_open=True)
