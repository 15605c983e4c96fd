"""The ledger's rows as plain values: what goes in, and what comes out.

Times are aware datetimes in UTC. `settings` and `spec` are JSON texts that the ledger keeps and
does not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from atelierd.ledger.states import Action, JobState, Outcome, RenderState
from atelierd.schedule.timetable import NO_WISHES, Wishes


@dataclass(frozen=True)
class NewRender:
    """One render of a job that is being accepted."""

    title: str
    spec: str
    #: Planned number of iterations.
    iterations: int


@dataclass(frozen=True)
class FrozenInput:
    """One file that was copied into the state folder under its hash when the job was accepted."""

    sha256: str
    #: Its path relative to the inbox root.
    path: str
    #: Bytes.
    size: int


@dataclass(frozen=True)
class NewJob:
    """A job that is being accepted, or, with `failure`, one that is refused."""

    #: The same job file accepted again after a kill must come with the same id (rule 8).
    id: str
    #: What the person called it; the outbox folder's name is made from it.
    name: str
    #: Path of the job file relative to the inbox root.
    source: str
    submitted_at: datetime
    job_file_sha256: str
    priority: int = 0
    wishes: Wishes = NO_WISHES
    settings: str = "{}"
    renders: tuple[NewRender, ...] = ()
    inputs: tuple[FrozenInput, ...] = ()
    #: The reason in words if the job file was refused; such a job has no renders.
    failure: str | None = None


@dataclass(frozen=True)
class JobRow:
    """One job as recorded."""

    #: Order of acceptance: 1, 2, 3, ...; it does not depend on the clock.
    sequence: int
    id: str
    #: Name of its folder in the outbox; unique, regardless of case.
    folder: str
    name: str
    source: str
    submitted_at: datetime
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: Higher is more urgent.
    priority: int
    state: JobState
    reason: str
    job_file_sha256: str
    settings: str
    wishes: Wishes = NO_WISHES


@dataclass(frozen=True)
class RenderRow:
    """One render as recorded."""

    #: `<job id>.<index>`: usable as a file name.
    id: str
    job_id: str
    #: Its place in the job, from 0.
    index: int
    title: str
    spec: str
    state: RenderState
    reason: str
    #: Attempts begun since something was last saved, without those that do not count.
    attempts: int
    iteration: int
    iterations: int
    evaluations: int
    objective: float | None
    #: Seconds of work so far.
    seconds: float
    #: Level of the pyramid, from 0.
    scale: int
    snapshots_published: int
    updated_at: datetime
    #: Seconds of work that it takes in all, about; None while nobody can tell.
    expected_seconds: float | None = None
    #: Whether there is a picture of its first, coarse stage.
    drafted: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a render has come, in its own total counts."""

    iteration: int
    evaluations: int
    objective: float | None
    seconds: float
    scale: int
    snapshots_published: int
    #: None leaves what was expected before.
    expected_seconds: float | None = None
    drafted: bool = False


@dataclass(frozen=True)
class AttemptRow:
    """One attempt at a render: it is recorded before the work starts."""

    render_id: str
    #: From 1, over the render's whole life.
    number: int
    started_at: datetime
    #: None while it runs.
    finished_at: datetime | None
    worker_pid: int
    outcome: Outcome | None
    reason: str


@dataclass(frozen=True)
class RunnableRender:
    """The next queued render of one job, with the facts by which an order is chosen."""

    render_id: str
    job_id: str
    index: int
    #: Of the job: order of acceptance.
    sequence: int
    priority: int
    #: Path of the job file in the inbox: its folder tells whose it is.
    source: str
    iteration: int
    #: Of the job.
    wishes: Wishes = NO_WISHES
    #: Whether any render of the job is.
    drafted: bool = False


@dataclass(frozen=True)
class WorkLeft:
    """What is left to do of one job, as far as can be told."""

    job_id: str
    #: Renders that are not finished, and those of them that nobody has foretold.
    renders: int
    unknown: int
    #: Seconds that the foretold ones still take, one after the other.
    seconds: float
    #: Renders of it that are running now.
    running: int


@dataclass(frozen=True)
class Request:
    """What another process asked the daemon to do with a job."""

    id: int
    action: Action
    job_id: str
    requested_at: datetime


@dataclass(frozen=True)
class Counts:
    """How many jobs and renders there are in each state (every state is a key)."""

    jobs: Mapping[JobState, int]
    renders: Mapping[RenderState, int]


class Totals(NamedTuple):
    """What has been done for all renders together."""

    iterations: int
    evaluations: int
    #: Spent in iterations.
    seconds: float
