"""`status.json`: what the daemon is doing, for people who have only the share."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from atelierd import durable
from atelierd.ledger.rows import Counts, JobRow, RenderRow
from atelierd.ledger.states import JOB_FINISHED, RENDER_FINISHED, JobState, RenderState
from atelierd.outbox import layout
from atelierd.outbox.folder import opened_outbox
from atelierd.outbox.prospects import NO_PROSPECTS, Prospects, lateness

#: Jobs and files that are listed by name; the counts say how many there are.
LISTED_AT_MOST = 200


@dataclass(frozen=True)
class WaitingFile:
    """A job file in the inbox that cannot be accepted yet."""

    #: Path relative to the inbox.
    file: str
    reason: str
    since: datetime


#: Seconds until each running render ends, by its id, as far as its worker has told.
SecondsLeft = Mapping[str, float]
NOT_TOLD: SecondsLeft = MappingProxyType({})


def job_status(
    job: JobRow,
    renders: Sequence[RenderRow],
    seconds_left: SecondsLeft = NOT_TOLD,
    prospects: Prospects = NO_PROSPECTS,
) -> dict[str, Any]:
    """Return what a job's own `status.json` says: plain JSON data."""
    return {
        **_job_line(job, prospects),
        "id": job.id,
        "source": job.source,
        "submitted": _text(job.submitted_at),
        "accepted": _text(job.accepted_at),
        "started": _text(job.started_at),
        "finished": _text(job.finished_at),
        # As resolved; a refused job has none.
        "settings": json.loads(job.settings),
        "renders": [_render_line(render, seconds_left) for render in renders],
    }


def build_overview(
    *,
    unfinished: Sequence[JobRow],
    renders: Mapping[str, Sequence[RenderRow]],
    counts: Counts,
    waiting: Sequence[WaitingFile],
    trouble: Sequence[str],
    seconds_left: SecondsLeft = NOT_TOLD,
    prospects: Prospects = NO_PROSPECTS,
    stopped: bool = False,
) -> dict[str, Any]:
    """Return what the outbox's `status.json` says: plain JSON data.

    `unfinished` are the jobs that are queued, running or held, in the order they are to be shown;
    `renders` has those of the running jobs by job id; `trouble` says in words what pauses the
    queue, and is empty when all is well; `prospects` is what is to be expected; `stopped` says that
    the daemon is about to end.
    """
    running = [job for job in unfinished if job.state is JobState.RUNNING]
    queued = [job for job in unfinished if job.state is JobState.QUEUED]
    resting = bool(queued) and all(
        job.id in prospects and prospects[job.id].waits for job in queued[:LISTED_AT_MOST]
    )
    return {
        "state": _state(
            running=bool(running), trouble=bool(trouble), stopped=stopped, resting=resting
        ),
        "trouble": list(trouble),
        "jobs": {str(state): count for state, count in counts.jobs.items()},
        "renders": {str(state): count for state, count in counts.renders.items()},
        "running": [
            {
                **_job_line(job, prospects),
                "renders": [_render_line(r, seconds_left) for r in renders.get(job.id, ())],
            }
            for job in running
        ],
        "queue": _lines(unfinished, JobState.QUEUED, prospects),
        "held": _lines(unfinished, JobState.HELD, prospects),
        "waiting_files": len(waiting),
        "waiting": [
            {"file": file.file, "reason": file.reason, "since": _text(file.since)}
            for file in waiting[:LISTED_AT_MOST]
        ],
    }


class OverviewWriter:
    """Writes the outbox's `status.json` when it has changed, and not too often.

    `monotonic` gives seconds, `clock` the present time for the line `written`.
    """

    def __init__(
        self,
        outbox: Path,
        every: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._outbox = outbox
        self._every = every
        self._monotonic = monotonic
        self._clock = clock
        self._written: Mapping[str, Any] | None = None
        self._written_at = 0.0

    def offer(self, overview: Mapping[str, Any], *, last: bool = False) -> bool:
        """Write `overview` if it is due or the `last`; return whether it was. Raises WorldFault."""
        now = self._monotonic()
        if overview == self._written:
            return False
        rested = now - self._written_at >= self._every.total_seconds()
        if self._written is not None and not rested and not last:
            return False
        with opened_outbox(self._outbox) as here:
            durable.write_json(here / layout.STATUS, {"written": _text(self._clock()), **overview})
        self._written, self._written_at = overview, now
        return True


def _state(*, running: bool, trouble: bool, stopped: bool, resting: bool) -> str:
    if stopped:
        return "stopped"
    return "paused" if trouble else "working" if running else "resting" if resting else "idle"


def _lines(jobs: Sequence[JobRow], state: JobState, prospects: Prospects) -> list[dict[str, Any]]:
    return [_job_line(job, prospects) for job in jobs if job.state is state][:LISTED_AT_MOST]


def _job_line(job: JobRow, prospects: Prospects) -> dict[str, Any]:
    line: dict[str, Any] = {
        "job": job.folder,
        "name": job.name,
        "state": str(job.state),
        "reason": job.reason,
        "priority": job.priority,
    }
    wishes, late = job.wishes, lateness(job)
    if wishes.not_before is not None:
        line["not_before"] = _text(wishes.not_before)
    if wishes.window:
        line["window"] = wishes.window
    if wishes.deadline is not None:
        line["deadline"] = _text(wishes.deadline)
    prospect = None if job.state in JOB_FINISHED else prospects.get(job.id)
    if prospect is not None:
        line |= {"expected": prospect.words, "expected_end": _text(prospect.ends)}
    if late or (prospect is not None and prospect.is_late):
        line["late"] = late or True
    return line


def _render_line(render: RenderRow, seconds_left: SecondsLeft) -> dict[str, Any]:
    line: dict[str, Any] = {"title": render.title, "state": str(render.state)}
    if render.reason:
        line["reason"] = render.reason
    if render.state is not RenderState.QUEUED or render.iteration:
        line |= {
            "iteration": render.iteration,
            "iterations": render.iterations,
            "objective": _finite(render.objective),
            "seconds": round(render.seconds, 1),
        }
    if render.iteration:
        line["seconds_per_iteration"] = float(f"{render.seconds / render.iteration:.4g}")
    if render.state is RenderState.RUNNING and render.iteration:
        line["seconds_left"] = round(seconds_left.get(render.id, _recorded_left(render)))
    if render.state not in RENDER_FINISHED and render.attempts > 1:
        line["attempt"] = render.attempts
    return line


def _recorded_left(render: RenderRow) -> float:
    """Return the seconds left by the last report; by an even pace where that has not told them."""
    if render.expected_seconds is not None:
        return max(render.expected_seconds - render.seconds, 0.0)
    return render.seconds / render.iteration * max(render.iterations - render.iteration, 0)


def _finite(value: float | None) -> float | None:
    # JSON has no word for infinity; Python would write one that other readers refuse.
    return value if value is not None and math.isfinite(value) else None


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
