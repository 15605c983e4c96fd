"""The steps that change states: nothing else in the ledger writes a state column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from atelierd.events import Event
from atelierd.ledger.connection import Connection
from atelierd.ledger.notices import forget_late, job_facts, note_filled, record
from atelierd.ledger.reader import LedgerReader, text_of
from atelierd.ledger.rows import RenderRow
from atelierd.ledger.states import (
    JOB_FINISHED,
    JOB_TRANSITIONS,
    RENDER_TRANSITIONS,
    JobState,
    Outcome,
    RenderState,
    check_transition,
    derive_job_state,
)
from atelierd.ledger.waiting import WaitingJobs

#: What is told of a job that has come into one of these states.
_TOLD = {JobState.DONE: Event.DONE, JobState.FAILED: Event.FAILED}

#: Failed renders that a job's reason tells of; the others are counted.
TOLD_AT_MOST = 3


def reason_of(renders: Sequence[RenderRow]) -> str:
    """Return why a job has failed, wholly or in part; nothing if none of its renders has."""
    failed = [render for render in renders if render.state is RenderState.FAILED]
    if len(renders) == 1:
        return renders[0].reason if failed else ""
    told = [f"{render.title}: {render.reason}" for render in failed[:TOLD_AT_MOST]]
    if len(failed) > TOLD_AT_MOST:
        told.append(f"and {len(failed) - TOLD_AT_MOST} more")
    return "; ".join(told)


class Transitions(LedgerReader):
    """Steps of a change; the caller holds the transaction that makes them one."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._clock = clock
        self._waiting = WaitingJobs(self._runnable_of)

    def _close_attempt(self, render_id: str, outcome: Outcome, reason: str) -> None:
        """End the render's running attempt, if there is one."""
        closed = self._db.execute(
            "UPDATE attempts SET finished_at = ?, outcome = ?, reason = ? "
            "WHERE render_id = ? AND finished_at IS NULL",
            (text_of(self._clock()), outcome, reason, render_id),
        )
        if closed and not outcome.counts:
            self._db.execute(
                "UPDATE renders SET attempts = max(attempts - 1, 0) WHERE id = ?", (render_id,)
            )

    def _set_render(self, render: RenderRow, target: RenderState, reason: str = "") -> None:
        """Raise IllegalTransitionError unless the render may become `target`."""
        check_transition(RENDER_TRANSITIONS, render.state, target, f"render {render.id}")
        self._db.execute(
            "UPDATE renders SET state = ?, reason = ?, updated_at = ? WHERE id = ?",
            (target, reason, text_of(self._clock()), render.id),
        )

    def _derive(self, job_id: str, *, held: bool | None = None) -> None:
        """Set a job's state and reason to what its renders say.

        `held` says whether a person holds it from now on, None that this stays as it is.
        """
        self._waiting.touch(job_id)
        job = self.job_by_id(job_id)
        renders = self.renders(job_id)
        now_held = job.state is JobState.HELD if held is None else held
        state = derive_job_state([render.state for render in renders], held=now_held)
        if state is not job.state:
            check_transition(JOB_TRANSITIONS, job.state, state, f"job {job_id}")
        reason = reason_of(renders)
        now = text_of(self._clock())
        self._db.execute(
            "UPDATE jobs SET state = ?, reason = ?, "
            "started_at = CASE WHEN ? THEN coalesce(started_at, ?) ELSE started_at END, "
            "finished_at = CASE WHEN ? THEN coalesce(finished_at, ?) END WHERE id = ?",
            (state, reason, RenderState.RUNNING in {r.state for r in renders}, now,
             state in JOB_FINISHED, now, job_id),
        )  # fmt: skip
        if state is not job.state:
            self._tell(job_id)

    def _tell(self, job_id: str) -> None:
        """Record a notice of the job's new state if that is one that is told."""
        job = self.job_by_id(job_id)
        if job.state in (JobState.QUEUED, JobState.RUNNING):
            note_filled(self._db, self._clock())
        if job.state in JOB_FINISHED:
            forget_late(self._db, job_id)
        if job.state in _TOLD:
            facts = job_facts(job, self.renders(job_id))
            record(self._db, _TOLD[job.state], facts, self._clock())
