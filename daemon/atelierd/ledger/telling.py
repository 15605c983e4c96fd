"""What a log record about a job or a render is to be found by."""

from __future__ import annotations

from typing import Any

from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.logfacts import about


def about_job(job: JobRow, outcome: str | None = None) -> dict[str, Any]:
    """Return the `extra` of a log call about a job."""
    return about(job=job.folder, job_id=job.id, outcome=outcome)


def about_render(
    render: RenderRow,
    job: JobRow | None = None,
    *,
    iteration: int | None = None,
    outcome: str | None = None,
    **more: float | str | None,
) -> dict[str, Any]:
    """Return the `extra` of a log call about a render; `iteration` is how far it is."""
    return about(
        job=None if job is None else job.folder,
        job_id=render.job_id,
        render=render.title,
        iteration=render.iteration if iteration is None else iteration,
        outcome=outcome,
        **more,
    )
