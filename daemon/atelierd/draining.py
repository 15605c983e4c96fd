"""A drain: one night's work, and what came of it (rule 21 of the spool rules)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from atelierd.dispatch.rota import Rota
from atelierd.exits import Exit
from atelierd.inbox.keeper import InboxReport
from atelierd.inbox.readings import WaitKind
from atelierd.ledger import Ledger
from atelierd.ledger.states import JobState

logger = logging.getLogger(__name__)

#: How long a drain waits for a share or disk that cannot be used.
DRAIN_PATIENCE = timedelta(seconds=60)


class Drain:
    """Says when inbox and queue are empty, or when there is no point in waiting any longer."""

    def __init__(
        self,
        ledger: Ledger,
        rota: Rota,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """To be made before any work is done: what has failed by then is not this drain's."""
        self._ledger = ledger
        self._rota = rota
        self._clock = clock
        self._failed_before = self._failures()
        self._troubled_since: float | None = None

    def is_over(
        self, now: float, report: InboxReport, *, troubled: bool, working: bool, behind: bool
    ) -> bool:
        """Whether there is nothing left to do, or the world was waited for long enough.

        `now` is monotonic; `behind` says that there is something left to show.
        """
        if working:
            # Whatever else is wrong, work is being done.
            self._troubled_since = None
            return False
        if troubled:
            return self.has_waited_long_enough(now)
        self._troubled_since = None
        settling = any(one.kind is WaitKind.SETTLING for one in report.waiting)
        if settling or report.ready or behind:
            return False
        resting = self._rota.resting(self._ledger.runnable())
        if resting is not None:
            return resting.lasts(self._clock(), DRAIN_PATIENCE)
        return not self._is_work_left()

    def has_waited_long_enough(self, now: float) -> bool:
        """Whether trouble has lasted too long; `now` is monotonic."""
        if self._troubled_since is None:
            self._troubled_since = now
        return now - self._troubled_since > DRAIN_PATIENCE.total_seconds()

    def exit_code(self, report: InboxReport, *, troubled: bool) -> Exit:
        """Return how the drain ends, and log what it leaves."""
        for one in report.waiting:
            logger.warning("left in the inbox: %s", one)
        resting = self._rota.resting(self._ledger.runnable())
        if resting is not None:
            logger.warning("left in the queue: %s", resting.words)
        failing = any(one.kind is WaitKind.FAILING for one in report.waiting)
        if self._is_work_left() or troubled or failing:
            return Exit.KEPT_FROM_WORK
        return Exit.FAILED if self._failures() - self._failed_before else Exit.OK

    def _is_work_left(self) -> bool:
        counts = self._ledger.counts().jobs
        return bool(counts[JobState.QUEUED] or counts[JobState.RUNNING])

    def _failures(self) -> set[tuple[str, datetime | None]]:
        """Return the jobs that have failed, and when: one tried again may fail once more."""
        return {(job.id, job.finished_at) for job in self._ledger.jobs((JobState.FAILED,))}
