"""How a render leaves the device: each way is one entry in the ledger, a log line and its cleanup.

Each can be done again after the ledger's disk has failed in the midst of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from atelierd.dispatch.aside import network_of
from atelierd.dispatch.running import DispatchPlan
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, Progress, RenderRow
from atelierd.ledger.states import Outcome, RenderState
from atelierd.ledger.telling import about_render
from atelierd.render.segment import SegmentReport, clear_work
from atelierd.wording import shown

logger = logging.getLogger(__name__)


class Bookkeeper:
    """Writes down what becomes of renders. Every method raises WorldFault if the disk fails."""

    def __init__(self, plan: DispatchPlan, ledger: Ledger, changed: Callable[[str], None]) -> None:
        self._plan = plan
        self._ledger = ledger
        self._changed = changed

    def is_running(self, render_id: str) -> bool:
        """Whether the ledger counts a render as running: a cancelled job's is not, even retried."""
        return self._ledger.render(render_id).state is RenderState.RUNNING

    def may_go_on(self, render: RenderRow) -> bool:
        """Whether a render that was put aside is still wanted, and there is where to save it."""
        is_queued = self._ledger.render(render.id).state is RenderState.QUEUED
        return is_queued and self._plan.work(render.id).is_dir()

    def tell_changed(self, job: JobRow) -> None:
        """Have those who show the job look again."""
        self._changed(job.id)

    def record(self, job: JobRow, report: SegmentReport) -> None:
        """Write down how far a render has come."""
        progress = Progress(
            iteration=report.iteration,
            evaluations=report.evaluations,
            objective=report.objective,
            seconds=report.seconds,
            scale=report.phase,
            snapshots_published=report.snapshots,
            expected_seconds=(
                None if report.seconds_left is None else report.seconds + report.seconds_left
            ),
            drafted=report.drafted,
        )
        self._ledger.progress(report.render_id, progress, saved=report.saved)
        self._changed(job.id)

    def finish(self, job: JobRow, render: RenderRow) -> None:
        """Write down that it is done; its pictures are published."""
        self._ledger.finish_render(render.id)
        self._changed(job.id)

    def of_same_network(self, job: JobRow) -> list[str]:
        """Return the jobs with renders to do that need the network that `job` needs."""
        network = network_of(job)
        waiting = (self._ledger.job_by_id(one.job_id) for one in self._ledger.runnable())
        return [one.id for one in waiting if network_of(one) == network]

    @staticmethod
    def tell_begun(job: JobRow, render: RenderRow, attempt: int) -> None:
        """Log that an attempt begins."""
        logger.info(
            "begins with %s of %s (attempt %d, from iteration %d)",
            shown(render.title),
            shown(job.folder),
            attempt,
            render.iteration,
            extra=about_render(render, job, attempt=attempt),
        )

    @staticmethod
    def tell_done(job: JobRow, render: RenderRow, report: SegmentReport) -> None:
        """Log what a finished render took."""
        logger.info(
            "%s of %s is done: %d iterations, %d evaluations, %.1f s, objective %.6g",
            shown(render.title),
            shown(job.folder),
            report.iteration,
            report.evaluations,
            report.seconds,
            report.objective or 0.0,
            extra=about_render(
                render,
                job,
                iteration=report.iteration,
                outcome=Outcome.FINISHED,
                seconds=round(report.seconds, 1),
            ),
        )

    def fail(self, job: JobRow, render: RenderRow, reason: str) -> None:
        """Write down that the job itself is to blame."""
        self._ledger.fail_render(render.id, reason)
        logger.warning(
            "%s of %s failed: %s",
            shown(render.title),
            shown(job.folder),
            reason,
            extra=about_render(render, job, outcome=Outcome.JOB_FAULT),
        )
        clear_work(self._plan.work(render.id))
        self._changed(job.id)

    def put_back(self, render: RenderRow, why: str) -> None:
        """Queue it again, for something else is to be done first."""
        self._ledger.requeue_render(render.id, Outcome.STOPPED)
        logger.info(
            "%s waits at iteration %d: %s",
            shown(render.title),
            render.iteration,
            why,
            extra=about_render(render, outcome=Outcome.STOPPED),
        )
        self._changed(render.job_id)

    def put_off(self, render: RenderRow, reason: str) -> None:
        """Queue it again: what has happened is not its doing, and burns no attempt."""
        self._ledger.requeue_render(render.id, Outcome.WORLD_FAULT, reason)
        self._changed(render.job_id)

    def count_failure(self, render: RenderRow, reason: str) -> None:
        """Queue it again after a fault of the node, or give up after enough of them (rule 16)."""
        render = self._ledger.render(render.id)
        if render.attempts >= self._plan.attempts:
            self.give_up(render, reason)
            return
        self._ledger.requeue_render(render.id, Outcome.NODE_FAULT, reason)
        logger.warning(
            "%s: %s; trying again",
            shown(render.title),
            reason,
            extra=about_render(render, outcome=Outcome.NODE_FAULT),
        )
        self._changed(render.job_id)

    def give_up(self, render: RenderRow, reason: str) -> None:
        """Write down that all its attempts have failed."""
        text = f"{render.attempts} attempts came no further than iteration {render.iteration}"
        self._ledger.fail_render(render.id, f"{text}: {reason}", Outcome.NODE_FAULT)
        logger.error(
            "%s failed: %s: %s",
            shown(render.title),
            text,
            reason,
            extra=about_render(render, outcome=Outcome.NODE_FAULT),
        )
        self._changed(render.job_id)

    def let_go(self, job: JobRow, render: RenderRow) -> None:
        """Clean up after a render whose job was cancelled while a segment was under way.

        If the job is to be tried again, it goes on from what the worker and the disk have.
        """
        state = self._ledger.render(render.id).state
        if state is not RenderState.QUEUED:
            clear_work(self._plan.work(render.id))
        logger.info(
            "%s of %s: %s",
            shown(render.title),
            shown(job.folder),
            state,
            extra=about_render(render, job),
        )
        self._changed(job.id)
