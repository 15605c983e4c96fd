"""The stop: a checkpoint of what is under way, or of what a worker still holds (rule 19)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future

from atelierd.dispatch.bookkeeping import Bookkeeper
from atelierd.dispatch.lane import Lane
from atelierd.dispatch.outcomes import outcome_of
from atelierd.dispatch.running import DispatchPlan, Running
from atelierd.errors import JobFault, NodeFault, WorldFault
from atelierd.ledger import Ledger
from atelierd.ledger.rows import RenderRow
from atelierd.ledger.states import Outcome
from atelierd.ledger.telling import about_render
from atelierd.render.segment import SegmentReport
from atelierd.wording import shown

logger = logging.getLogger(__name__)

#: Waits for a future and says whether it is done; False means there is no more time.
Wait = Callable[[Future[SegmentReport]], bool]


class Stopping:
    """Brings what workers have done to the disk before they end."""

    def __init__(
        self, plan: DispatchPlan, ledger: Ledger, books: Bookkeeper, wait_for_checkpoint: Wait
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._books = books
        self._wait_for_checkpoint = wait_for_checkpoint

    def stop(self, lane: Lane, wait: Wait) -> None:
        """Stop one lane, with a checkpoint if there is time for it.

        Raises WorldFault if the ledger's disk fails; the next start then finds the render running
        in the ledger and goes on with it.
        """
        parked, running = lane.parked, lane.running
        lane.running = None
        if running is not None:
            self._under_way(lane, running, wait)
            self._books.tell_changed(running.job)
        elif parked is not None:
            self._parked(lane, parked)

    def _under_way(self, lane: Lane, running: Running, wait: Wait) -> None:
        """Stop a render at the end of its segment."""
        if wait(running.future):
            self._save_at_end(lane, running)
        else:
            lane.replace_worker("no time is left to wait for its iteration")
            self._ledger.requeue_render(running.render.id, Outcome.STOPPED)

    def _parked(self, lane: Lane, render: RenderRow) -> None:
        """Save a render that was put aside, and that nothing has displaced in the worker since."""
        if not lane.worker.is_up or not self._books.may_go_on(render):
            return
        report = self._saved(lane, render)
        if isinstance(report, SegmentReport) and report.saved:
            logger.info(
                "%s waits at iteration %d with a checkpoint", shown(render.title), report.iteration
            )
        else:
            logger.warning("%s: not saved at the stop: %s", shown(render.title), report)

    def _save_at_end(self, lane: Lane, running: Running) -> None:
        report = outcome_of(running.future, self._plan.state)
        if isinstance(report, SegmentReport) and not report.finished:
            report = self._saved(lane, running.render) or report
        if not self._books.is_running(running.render.id):
            return
        if isinstance(report, SegmentReport):
            self._books.record(running.job, report)
            words = "with" if report.saved else "without"
            logger.info(
                "%s stopped at iteration %d %s a checkpoint",
                shown(running.render.title),
                report.iteration,
                words,
                extra=about_render(
                    running.render,
                    running.job,
                    iteration=report.iteration,
                    outcome=Outcome.STOPPED,
                ),
            )
        else:
            logger.warning("%s: not saved at the stop: %s", shown(running.render.title), report)
        self._ledger.requeue_render(running.render.id, Outcome.STOPPED)

    def _saved(
        self, lane: Lane, render: RenderRow
    ) -> SegmentReport | JobFault | NodeFault | WorldFault | None:
        """Return what the saving came to; None if there was no time for it."""
        saving = lane.save(render)
        if self._wait_for_checkpoint(saving):
            return outcome_of(saving, self._plan.state)
        lane.replace_worker("no time is left to wait for its checkpoint")
        return None
