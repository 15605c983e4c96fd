"""Questions to the ledger: they change nothing and see one consistent moment each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from atelierd.ledger.connection import Connection
from atelierd.ledger.errors import UnknownJobError
from atelierd.ledger.folders import folder_key
from atelierd.ledger.rows import (
    AttemptRow,
    Counts,
    FrozenInput,
    JobRow,
    RenderRow,
    Request,
    RunnableRender,
    Totals,
    WorkLeft,
)
from atelierd.ledger.states import Action, JobState, Outcome, RenderState
from atelierd.schedule.timetable import Wishes

_JOB = (
    "sequence, id, folder, name, source, submitted_at, accepted_at, started_at, finished_at, "
    "priority, state, reason, job_file_sha256, settings, not_before, time_window, deadline"
)
_RENDER = (
    'id, job_id, idx AS "index", title, spec, state, reason, attempts, iteration, iterations, '
    "evaluations, objective, seconds, scale, snapshots_published, updated_at, expected_seconds, "
    "drafted"
)
#: One queued render of each job that may run, the one that comes first in it; of all jobs, or of
#: those that `chosen` leaves.
_RUNNABLE = """
    SELECT renders.id AS render_id, jobs.id AS job_id, renders.idx AS "index", jobs.sequence,
        jobs.priority, jobs.source, renders.iteration, jobs.not_before, jobs.time_window,
        jobs.deadline, (SELECT max(drafted) FROM renders AS others WHERE others.job_id = jobs.id)
        AS drafted
    FROM (SELECT job_id, min(idx) AS idx FROM renders WHERE state = 'queued' {chosen}
        GROUP BY job_id) AS next
    JOIN jobs ON jobs.id = next.job_id
    JOIN renders ON renders.job_id = next.job_id AND renders.idx = next.idx
    WHERE jobs.state IN ('queued', 'running')
    ORDER BY jobs.sequence
"""
#: What a render under way still takes is what it is expected to take in all, less what it has had.
_WORK_LEFT = """
    SELECT renders.job_id, count(*) AS renders,
        sum(renders.expected_seconds IS NULL) AS unknown,
        total(max(renders.expected_seconds - renders.seconds, 0)) AS seconds,
        sum(renders.state = 'running') AS running
    FROM renders JOIN jobs ON jobs.id = renders.job_id
    WHERE renders.state IN ('queued', 'running') AND jobs.state IN ('queued', 'running')
    GROUP BY renders.job_id
"""
#: Names in an error message about a name that fits several jobs.
_NAMED_AT_MOST = 5


class LedgerReader:
    """The ledger as any process may read it; every method raises WorldFault if the disk fails."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def job(self, name: str) -> JobRow:
        """Return the job whose id or folder is `name`, or the only one that begins so.

        Raises UnknownJobError if there is none, or more than one.
        """
        key = folder_key(name)
        exact = self._db.row(
            f"SELECT {_JOB} FROM jobs WHERE id = ? OR folder_key = ? ORDER BY id = ? DESC",
            (name, key, name),
        )
        if exact is not None:
            return _job(exact)
        last = "\U0010ffff"
        rows = self._db.rows(
            f"SELECT {_JOB} FROM jobs WHERE (id >= ? AND id < ?) "
            "OR (folder_key >= ? AND folder_key < ?) ORDER BY sequence DESC LIMIT ?",
            (name, name + last, key, key + last, _NAMED_AT_MOST + 1),
        )
        if len(rows) == 1 and name:
            return _job(rows[0])
        if not rows or not name:
            raise UnknownJobError(
                f"no job is called {name!r}; expected a job's id, its folder in the outbox, or "
                "the beginning of either (`atelierd jobs` lists them)"
            )
        names = ", ".join(_job(row).folder for row in rows[:_NAMED_AT_MOST])
        more = ", ..." if len(rows) > _NAMED_AT_MOST else ""
        raise UnknownJobError(
            f"more than one job begins with {name!r}: {names}{more}; give more of its name"
        )

    def job_by_id(self, job_id: str) -> JobRow:
        """Return the job of exactly this id. Raises UnknownJobError if there is none."""
        row = self._db.row(f"SELECT {_JOB} FROM jobs WHERE id = ?", (job_id,))
        if row is None:
            raise UnknownJobError(f"no job has the id {job_id!r}")
        return _job(row)

    def jobs(
        self, states: Collection[JobState] = tuple(JobState), limit: int | None = None
    ) -> list[JobRow]:
        """Return the jobs in one of `states`, the newest first, at most `limit` of them."""
        rows = self._db.rows(
            f"SELECT {_JOB} FROM jobs WHERE state IN ({_marks(states)}) "
            "ORDER BY sequence DESC LIMIT ?",
            (*states, -1 if limit is None else limit),
        )
        return [_job(row) for row in rows]

    def finished_between(self, since: datetime, until: datetime) -> list[JobRow]:
        """Return the jobs that have finished from `since` on and before `until`, in that order."""
        rows = self._db.rows(
            f"SELECT {_JOB} FROM jobs WHERE finished_at >= ? AND finished_at < ? "
            "ORDER BY finished_at, sequence",
            (text_of(since), text_of(until)),
        )
        return [_job(row) for row in rows]

    def render(self, render_id: str) -> RenderRow:
        """Return one render. Raises UnknownJobError if there is none of that id."""
        row = self._db.row(f"SELECT {_RENDER} FROM renders WHERE id = ?", (render_id,))
        if row is None:
            raise UnknownJobError(f"no render has the id {render_id!r}")
        return _render(row)

    def renders(self, job_id: str) -> list[RenderRow]:
        """Return the renders of one job in their order."""
        rows = self._db.rows(
            f"SELECT {_RENDER} FROM renders WHERE job_id = ? ORDER BY idx", (job_id,)
        )
        return [_render(row) for row in rows]

    def running(self) -> list[RenderRow]:
        """Return the renders that are being worked on, of all jobs."""
        rows = self._db.rows(
            f"SELECT {_RENDER} FROM renders WHERE state = 'running' ORDER BY job_id, idx"
        )
        return [_render(row) for row in rows]

    def attempts(self, render_id: str) -> list[AttemptRow]:
        """Return all attempts at one render, the first one first."""
        rows = self._db.rows(
            "SELECT render_id, number, started_at, finished_at, worker_pid, outcome, reason "
            "FROM attempts WHERE render_id = ? ORDER BY number",
            (render_id,),
        )
        return [
            AttemptRow(
                **dict(row)
                | {
                    "started_at": _time(row["started_at"]),
                    "finished_at": _time_or_none(row["finished_at"]),
                    "outcome": row["outcome"] and Outcome(row["outcome"]),
                }
            )
            for row in rows
        ]

    def inputs(self, job_id: str) -> list[FrozenInput]:
        """Return the files that were frozen for one job."""
        rows = self._db.rows(
            "SELECT sha256, path, size FROM inputs WHERE job_id = ? ORDER BY path", (job_id,)
        )
        return [FrozenInput(*row) for row in rows]

    def inputs_in_use(self, finished_since: datetime) -> set[str]:
        """Return the hashes of frozen inputs that a job may still need.

        These are the inputs and job files of jobs that are unfinished, or that failed or were
        cancelled after `finished_since`, so that they may be retried.
        """
        wanted = (
            "(state IN ('queued', 'running', 'held') "
            "OR (state IN ('failed', 'cancelled') AND finished_at >= ?))"
        )
        since = text_of(finished_since)
        rows = self._db.rows(
            "SELECT sha256 FROM inputs JOIN jobs ON jobs.id = inputs.job_id "
            f"WHERE {wanted} UNION SELECT job_file_sha256 FROM jobs WHERE {wanted}",
            (since, since),
        )
        return {row[0] for row in rows}

    def counts(self) -> Counts:
        """Return how many jobs and renders there are in each state."""
        rows = self._db.rows(
            "SELECT 'job', state, count(*) FROM jobs GROUP BY state UNION ALL "
            "SELECT 'render', state, count(*) FROM renders GROUP BY state"
        )
        found = {(table, state): count for table, state, count in rows}
        return Counts(
            jobs={state: found.get(("job", state), 0) for state in JobState},
            renders={state: found.get(("render", state), 0) for state in RenderState},
        )

    def totals(self) -> Totals:
        """Return what has been done for all renders together."""
        row = self._db.row(
            "SELECT coalesce(sum(iteration), 0), coalesce(sum(evaluations), 0), total(seconds) "
            "FROM renders"
        )
        assert row is not None
        return Totals(*row)

    def attempt_outcomes(self) -> dict[Outcome, int]:
        """Return how many attempts have ended in each way; ways that none took are left out."""
        rows = self._db.rows(
            "SELECT outcome, count(*) FROM attempts WHERE outcome IS NOT NULL GROUP BY outcome"
        )
        return {Outcome(outcome): count for outcome, count in rows}

    def runnable(self) -> Sequence[RunnableRender]:
        """Return, for each job that is queued or running, its first queued render, oldest first.

        Held jobs have none. Dispatch decides about the order from the facts in the rows.
        """
        return [_runnable(row) for row in self._db.rows(_RUNNABLE.format(chosen=""))]

    def _runnable_of(self, job_ids: Collection[str]) -> list[RunnableRender]:
        """Return what `runnable` has of these jobs."""
        sql = _RUNNABLE.format(chosen=f"AND job_id IN ({_marks(job_ids)})")
        return [_runnable(row) for row in self._db.rows(sql, list(job_ids))]

    def has_draft(self, job_id: str) -> bool:
        """Whether some render of a job has its draft."""
        found = self._db.row(
            "SELECT 1 FROM renders WHERE job_id = ? AND drafted LIMIT 1", (job_id,)
        )
        return found is not None

    def work_left(self) -> dict[str, WorkLeft]:
        """Return what is left to do of each job that is queued or running, by its id."""
        rows = self._db.rows(_WORK_LEFT)
        return {row["job_id"]: WorkLeft(**dict(row)) for row in rows}

    def not_foretold(self, limit: int) -> list[RenderRow]:
        """Return unfinished renders of which nobody has said how long they take, oldest first."""
        rows = self._db.rows(
            f"SELECT {_RENDER} FROM renders WHERE state IN ('queued', 'running') "
            "AND expected_seconds IS NULL ORDER BY rowid LIMIT ?",
            (limit,),
        )
        return [_render(row) for row in rows]

    def request_answer(self, request_id: int) -> str | None:
        """Return what the daemon answered to a request, None while it has not, or has forgotten."""
        row = self._db.row("SELECT answer FROM requests WHERE id = ?", (request_id,))
        return None if row is None else row[0]

    def take_requests(self) -> list[Request]:
        """Return the requests that are not answered yet, the oldest first.

        They stay until `Ledger.answer_request`, so that a kill in between loses none.
        """
        rows = self._db.rows(
            "SELECT id, action, job_id, requested_at FROM requests WHERE answer IS NULL ORDER BY id"
        )
        return [
            Request(
                **dict(row)
                | {"action": Action(row["action"]), "requested_at": _time(row["requested_at"])}
            )
            for row in rows
        ]

    def close(self) -> None:
        """Close the ledger's file."""
        self._db.close()


def text_of(moment: datetime) -> str:
    """Return an aware datetime as the ledger writes it: UTC, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _time_or_none(text: str | None) -> datetime | None:
    return None if text is None else _time(text)


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


def _runnable(row: Any) -> RunnableRender:
    columns = dict(row)
    wishes, drafted = _wishes(columns), bool(columns.pop("drafted"))
    return RunnableRender(**columns, wishes=wishes, drafted=drafted)


def _wishes(columns: dict[str, Any]) -> Wishes:
    """Take a job's wishes out of its columns."""
    return Wishes(
        _time_or_none(columns.pop("not_before")),
        columns.pop("time_window"),
        _time_or_none(columns.pop("deadline")),
    )


def _job(row: Any) -> JobRow:
    columns = dict(row)
    wishes = _wishes(columns)
    return JobRow(
        **columns
        | {
            "wishes": wishes,
            "submitted_at": _time(row["submitted_at"]),
            "accepted_at": _time(row["accepted_at"]),
            "started_at": _time_or_none(row["started_at"]),
            "finished_at": _time_or_none(row["finished_at"]),
            "state": JobState(row["state"]),
        }
    )


def _render(row: Any) -> RenderRow:
    return RenderRow(
        **dict(row)
        | {
            "state": RenderState(row["state"]),
            "updated_at": _time(row["updated_at"]),
            "drafted": bool(row["drafted"]),
        }
    )
