"""The states of jobs and renders, and the only place where their transitions are written down.

A render's state is set by what happens to it; a job's state always follows from its renders' and
from whether a person holds it (`derive_job_state`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar

from atelierd.ledger.errors import IllegalTransitionError


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    #: At least one render is being worked on.
    RUNNING = "running"
    #: A person put it aside; a render that was running stops at its next segment.
    HELD = "held"
    DONE = "done"
    #: Every render is finished, and one or more failed; or the job file was refused.
    FAILED = "failed"
    CANCELLED = "cancelled"


class RenderState(StrEnum):
    """Where one render of a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """How an attempt at a render ended."""

    FINISHED = "finished"
    #: Put aside at the end of a segment: pre-empted, held, cancelled, or the daemon stopped.
    STOPPED = "stopped"
    JOB_FAULT = "job fault"
    NODE_FAULT = "node fault"
    WORLD_FAULT = "world fault"
    #: Found open at start: the daemon or the machine died while it ran.
    INTERRUPTED = "interrupted"

    @property
    def counts(self) -> bool:
        """Whether the attempt counts against the render's allowance (rules 16 and 17)."""
        return self not in (Outcome.STOPPED, Outcome.WORLD_FAULT)


class Action(StrEnum):
    """What a person can ask for, on the command line or by a file in the job's folder."""

    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    RETRY = "retry"


JOB_FINISHED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})
RENDER_FINISHED = frozenset({RenderState.DONE, RenderState.FAILED, RenderState.CANCELLED})

JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    # To done straight from queued: the restart found the result published already (rule 14).
    JobState.QUEUED: frozenset(
        {JobState.RUNNING, JobState.HELD, JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.HELD, JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    ),
    # To done or failed: the last segment of its last render was under way when it was held.
    JobState.HELD: frozenset(
        {JobState.QUEUED, JobState.RUNNING, JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}

RENDER_TRANSITIONS: Mapping[RenderState, frozenset[RenderState]] = {
    RenderState.QUEUED: frozenset(
        {RenderState.RUNNING, RenderState.DONE, RenderState.FAILED, RenderState.CANCELLED}
    ),
    RenderState.RUNNING: frozenset(
        {RenderState.QUEUED, RenderState.DONE, RenderState.FAILED, RenderState.CANCELLED}
    ),
    RenderState.DONE: frozenset(),
    RenderState.FAILED: frozenset({RenderState.QUEUED}),
    RenderState.CANCELLED: frozenset({RenderState.QUEUED}),
}

S = TypeVar("S", JobState, RenderState)


def check_transition(allowed: Mapping[S, frozenset[S]], current: S, target: S, what: str) -> None:
    """Raise IllegalTransitionError unless `allowed` lets `what` go from `current` to `target`."""
    if target not in allowed[current]:
        ways = ", ".join(sorted(allowed[current])) or "nothing else"
        raise IllegalTransitionError(
            f"{what} is {current} and cannot become {target}; from {current} it can become {ways}"
        )


def derive_job_state(renders: Collection[RenderState], *, held: bool) -> JobState:
    """Return the state of a job with one or more renders in the states `renders`.

    `held` says whether a person holds the job. A finished job is never held. Renders are cancelled
    only with their job, so one cancelled render says that the job was cancelled.
    """
    if not RENDER_FINISHED.issuperset(renders):
        if held:
            return JobState.HELD
        return JobState.RUNNING if RenderState.RUNNING in renders else JobState.QUEUED
    if RenderState.CANCELLED in renders:
        return JobState.CANCELLED
    return JobState.FAILED if RenderState.FAILED in renders else JobState.DONE
