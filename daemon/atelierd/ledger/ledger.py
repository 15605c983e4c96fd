"""The daemon's side of the ledger: every change is one transaction, and on disk when it returns.

Exactly one process, the daemon, changes jobs and renders; other processes read, and leave
requests. A job's state is derived from its renders' in the transaction that changed them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from atelierd.ledger.connection import Connection
from atelierd.ledger.errors import ActionRefusedError, IllegalTransitionError
from atelierd.ledger.folders import folder_key, numbered, safe_folder
from atelierd.ledger.notices import NoticeBox
from atelierd.ledger.reader import text_of
from atelierd.ledger.rows import JobRow, NewJob, Progress, RenderRow, RunnableRender
from atelierd.ledger.states import JOB_FINISHED, Action, JobState, Outcome, RenderState
from atelierd.ledger.transitions import Transitions

#: How long an answered request is kept for the process that asked.
KEEP_ANSWERS = timedelta(hours=1)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _nothing_there(folder: str) -> bool:  # noqa: ARG001
    return False


class Ledger(Transitions):
    """The ledger as the daemon writes it; other processes open it with `read_only`.

    It may be used from several threads. Every method raises WorldFault if the disk fails; then
    nothing has changed.
    """

    def __init__(
        self,
        connection: Connection,
        path: Path,
        clock: Callable[[], datetime] = _utc_now,
        *,
        owns: bool = True,
    ) -> None:
        """`owns` says that nobody else changes jobs and renders."""
        super().__init__(connection, clock)
        self._path = path
        self._owns = owns

    @classmethod
    def open(
        cls, path: Path, *, read_only: bool = False, clock: Callable[[], datetime] = _utc_now
    ) -> Ledger:
        """Open the ledger at `path`; the daemon creates it and brings an older one up to date.

        `clock` gives the present time as an aware datetime. Raises ConfigError if the path is on
        a network file system, or the file is damaged, of another program or of a newer atelierd,
        or, read only, if it does not exist or is of an older one.
        """
        connection = Connection(path, "read" if read_only else "own")
        return cls(connection, path, clock, owns=not read_only)

    @property
    def notices(self) -> NoticeBox:
        """What people are to be told."""
        return NoticeBox(self._db, self._clock)

    def add_job(self, new: NewJob, taken: Callable[[str], bool] = _nothing_there) -> JobRow:
        """Record a job with its renders and inputs and choose its outbox folder (rules 8 and 9).

        A job whose id is recorded already is returned as it is. `taken` says whether a folder of
        that name exists in the outbox; it may raise, then nothing is recorded.
        """
        if bool(new.renders) == (new.failure is not None):
            raise ValueError(f"job {new.id}: either renders or a failure is expected")
        now = text_of(self._clock())
        with self._db.transaction():
            if self._db.row("SELECT 1 FROM jobs WHERE id = ?", (new.id,)) is None:
                self._insert_job(new, taken, now)
        return self.job_by_id(new.id)

    def _insert_job(self, new: NewJob, taken: Callable[[str], bool], now: str) -> None:
        self._waiting.touch(new.id)
        state = JobState.QUEUED if new.failure is None else JobState.FAILED
        base = safe_folder(new.name)
        wishes = new.wishes
        number, folder = self._free_folder(base, taken)
        self._db.execute(
            "INSERT INTO jobs (id, folder, folder_key, base_key, base_number, name, source, "
            "submitted_at, accepted_at, finished_at, priority, state, reason, job_file_sha256, "
            "settings, not_before, time_window, deadline) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (new.id, folder, folder_key(folder), folder_key(base), number, new.name, new.source,
             text_of(new.submitted_at), now, now if state in JOB_FINISHED else None, new.priority,
             state, new.failure or "", new.job_file_sha256, new.settings,
             wishes.not_before and text_of(wishes.not_before), wishes.window,
             wishes.deadline and text_of(wishes.deadline)),
        )  # fmt: skip
        for index, render in enumerate(new.renders):
            self._db.execute(
                "INSERT INTO renders (id, job_id, idx, title, spec, state, iterations, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (f"{new.id}.{index}", new.id, index, render.title, render.spec,
                 RenderState.QUEUED, render.iterations, now),
            )  # fmt: skip
        for file in new.inputs:
            self._db.execute(
                "INSERT OR REPLACE INTO inputs (job_id, path, sha256, size) VALUES (?, ?, ?, ?)",
                (new.id, file.path, file.sha256, file.size),
            )
        self._tell(new.id)

    def _free_folder(self, base: str, taken: Callable[[str], bool]) -> tuple[int, str]:
        # Going on from the highest number, not from 2: a thousand jobs may share one name.
        (highest,) = self._db.rows(
            "SELECT max(base_number) FROM jobs WHERE base_key = ?", (folder_key(base),)
        )[0]
        number = (highest or 0) + 1
        while True:
            folder = numbered(base, number)
            known = "SELECT 1 FROM jobs WHERE folder_key = ?"
            if self._db.row(known, (folder_key(folder),)) is None and not taken(folder):
                return number, folder
            number += 1

    def runnable(self) -> Sequence[RunnableRender]:
        """Return what the reader does; the daemon asks the disk only for what has changed since."""
        if not self._owns:
            return super().runnable()
        return self._waiting.all(super().runnable)

    def move_job(self, job_id: str, taken: Callable[[str], bool]) -> JobRow:
        """Choose another folder for a job: somebody has put his own where it was to be made."""
        with self._db.transaction():
            base = safe_folder(self.job_by_id(job_id).name)
            number, folder = self._free_folder(base, taken)
            self._db.execute(
                "UPDATE jobs SET folder = ?, folder_key = ?, base_number = ? WHERE id = ?",
                (folder, folder_key(folder), number, job_id),
            )
        return self.job_by_id(job_id)

    def begin_attempt(self, render_id: str, pid: int) -> int:
        """Record that the worker `pid` begins with a queued render; return the attempt's number.

        It is on disk before the work starts, so that a render that kills its worker, the daemon
        or the machine is counted (rule 16). Raises IllegalTransitionError if the render is not
        queued, or its job is held.
        """
        now = text_of(self._clock())
        with self._db.transaction():
            render = self.render(render_id)
            if self.job_by_id(render.job_id).state is JobState.HELD:
                raise IllegalTransitionError(f"render {render_id}: its job is held")
            self._set_render(render, RenderState.RUNNING)
            self._db.execute(
                "UPDATE renders SET attempts = attempts + 1 WHERE id = ?", (render_id,)
            )
            number = len(self.attempts(render_id)) + 1
            self._db.execute(
                "INSERT INTO attempts (render_id, number, started_at, worker_pid) "
                "VALUES (?, ?, ?, ?)",
                (render_id, number, now, pid),
            )
            self._derive(render.job_id)
        return number

    def progress(self, render_id: str, progress: Progress, *, saved: bool = False) -> None:
        """Record how far a render has come; cheap, for it costs no fsync.

        `saved` says that a checkpoint on disk holds it: the work so far is not lost, so earlier
        attempts count no more. A render fails for attempts that came no further, not for nights
        in which the machine was restarted often.
        """
        with self._db.transaction(durable=False):
            if progress.drafted and not (render := self.render(render_id)).drafted:
                self._waiting.touch(render.job_id)
            self._db.execute(
                "UPDATE renders SET iteration = ?, evaluations = ?, objective = ?, seconds = ?, "
                "scale = ?, snapshots_published = ?, updated_at = ?, "
                "attempts = CASE WHEN ? THEN 0 ELSE attempts END, "
                "expected_seconds = coalesce(?, expected_seconds), drafted = drafted OR ? "
                "WHERE id = ?",
                (progress.iteration, progress.evaluations, progress.objective, progress.seconds,
                 progress.scale, progress.snapshots_published, text_of(self._clock()), saved,
                 progress.expected_seconds, progress.drafted, render_id),
            )  # fmt: skip

    def foretell(self, seconds: Mapping[str, float]) -> None:
        """Record how long renders take in all, by their ids; those under way know better."""
        with self._db.transaction(durable=False):
            for render_id, expected in seconds.items():
                self._db.execute(
                    "UPDATE renders SET expected_seconds = ? "
                    "WHERE id = ? AND expected_seconds IS NULL",
                    (expected, render_id),
                )

    def finish_render(self, render_id: str) -> RenderRow:
        """Record a render as done: its result is published and `result.json` verifies (rule 14).

        Also for a queued one whose result the restart finds published. One that was cancelled
        meanwhile stays cancelled. Raises IllegalTransitionError if it has failed.
        """
        return self._leave(render_id, RenderState.DONE, Outcome.FINISHED, "")

    def fail_render(
        self, render_id: str, reason: str, outcome: Outcome = Outcome.JOB_FAULT
    ) -> RenderRow:
        """Record a render as failed, with the reason in words; its job's others go on (rule 18).

        One that was cancelled meanwhile stays so. Raises IllegalTransitionError if it is done.
        """
        return self._leave(render_id, RenderState.FAILED, outcome, reason)

    def requeue_render(self, render_id: str, outcome: Outcome, reason: str = "") -> RenderRow:
        """Put a running render back into the queue, to go on from its checkpoint later.

        Outcomes that are not its own doing (stopped, world fault) burn no attempt. One that was
        cancelled or queued meanwhile stays so. Raises IllegalTransitionError if it is finished.
        """
        return self._leave(render_id, RenderState.QUEUED, outcome, reason)

    def _leave(
        self, render_id: str, target: RenderState, outcome: Outcome, reason: str
    ) -> RenderRow:
        with self._db.transaction():
            render = self.render(render_id)
            if target is RenderState.QUEUED and render.state is RenderState.FAILED:
                raise IllegalTransitionError(f"render {render_id} has failed; only retry queues it")
            # A segment under way when its job was cancelled reports afterwards; nobody waits
            # for it. Its attempt was closed then.
            if render.state not in (RenderState.CANCELLED, target):
                self._set_render(render, target, reason)
                self._close_attempt(render_id, outcome, reason)
                self._derive(render.job_id)
        return self.render(render_id)

    def act(self, action: Action, job_id: str) -> JobRow:
        """Do what a person asked for with a job and return it as it is then.

        What is so already is not done again, so that an answer lost to a kill does no harm.
        Raises ActionRefusedError, in words, if the job's state does not allow it.
        """
        do = {
            Action.CANCEL: self.cancel_job,
            Action.HOLD: self.hold_job,
            Action.RELEASE: self.release_job,
            Action.RETRY: self.retry_job,
        }
        return do[action](job_id)

    def cancel_job(self, job_id: str) -> JobRow:
        """Cancel a job and its unfinished renders. Raises ActionRefusedError if it has finished."""
        with self._db.transaction():
            job = self._open_job(job_id, Action.CANCEL, unless=JobState.CANCELLED)
            if job.state is not JobState.CANCELLED:
                for render in self.renders(job_id):
                    if render.state in (RenderState.QUEUED, RenderState.RUNNING):
                        self._set_render(render, RenderState.CANCELLED)
                        self._close_attempt(render.id, Outcome.STOPPED, "cancelled")
                self._derive(job_id)
        return self.job_by_id(job_id)

    def hold_job(self, job_id: str) -> JobRow:
        """Put a job aside; a running render of it stops at its next segment.

        Raises ActionRefusedError if the job has finished.
        """
        with self._db.transaction():
            self._open_job(job_id, Action.HOLD)
            self._derive(job_id, held=True)
        return self.job_by_id(job_id)

    def release_job(self, job_id: str) -> JobRow:
        """Let a held job go on. Raises ActionRefusedError if the job has finished."""
        with self._db.transaction():
            self._open_job(job_id, Action.RELEASE)
            self._derive(job_id, held=False)
        return self.job_by_id(job_id)

    def _open_job(self, job_id: str, action: Action, unless: JobState | None = None) -> JobRow:
        job = self.job_by_id(job_id)
        if job.state in JOB_FINISHED and job.state is not unless:
            ways = "" if job.state is JobState.DONE else "; to start it again, ask for retry"
            raise ActionRefusedError(f"{job.folder} is {job.state}: nothing to {action}{ways}")
        return job

    def retry_job(self, job_id: str) -> JobRow:
        """Queue the failed and cancelled renders of a finished job again, attempts at zero.

        They go on from their checkpoints where there are some. Raises ActionRefusedError if the
        job is done, or its job file was refused.
        """
        with self._db.transaction():
            job = self.job_by_id(job_id)
            renders = self.renders(job_id)
            if job.state is JobState.DONE or not renders:
                why = "is done" if renders else "was refused before any render was made"
                raise ActionRefusedError(
                    f"{job.folder} {why}: nothing to retry; to render it anew, put its job file "
                    "into the inbox again"
                )
            if job.state in JOB_FINISHED:
                for render in renders:
                    if render.state is not RenderState.DONE:
                        self._set_render(render, RenderState.QUEUED)
                self._db.execute("UPDATE renders SET attempts = 0 WHERE job_id = ?", (job_id,))
                self._derive(job_id)
        return self.job_by_id(job_id)

    def recover(self) -> list[RenderRow]:
        """Queue the renders that ran when the daemon died; to be called at every start (rule 20).

        Their attempts stay counted. Returns them as they are now.
        """
        return [
            self.requeue_render(render.id, Outcome.INTERRUPTED, "the daemon or the machine stopped")
            for render in self.running()
        ]

    def request(self, action: Action, job_id: str) -> int:
        """Ask the daemon, from any process, to do something with a job; return the request's id.

        The answer comes with `request_answer`. Works on a ledger that was opened read only.
        Raises UnknownJobError if no job has this id.
        """
        self.job_by_id(job_id)
        connection = Connection(self._path, "write")
        try:
            with connection.transaction():
                connection.execute(
                    "INSERT INTO requests (action, job_id, requested_at) VALUES (?, ?, ?)",
                    (action, job_id, text_of(self._clock())),
                )
                (number,) = connection.rows("SELECT last_insert_rowid()")[0]
        finally:
            connection.close()
        return int(number)

    def answer_request(self, request_id: int, answer: str) -> None:
        """Record what was done about a request, in words, and forget answers that are old."""
        with self._db.transaction():
            self._db.execute("UPDATE requests SET answer = ? WHERE id = ?", (answer, request_id))
            self._db.execute(
                "DELETE FROM requests WHERE answer IS NOT NULL AND requested_at < ?",
                (text_of(self._clock() - KEEP_ANSWERS),),
            )
