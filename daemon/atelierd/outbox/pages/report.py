"""The report of a job, and for a matrix a page for each of its renders."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from atelierd.ledger.rows import JobRow
from atelierd.outbox import layout
from atelierd.outbox.pages.facts import Fact, settings_facts, tables_of
from atelierd.outbox.pages.markup import REPORT_ASSETS, data_script, environment, page
from atelierd.outbox.pages.views import JobView, RenderView

_FILES = f"{layout.REPORT_FILES}/"
#: What a report refreshes itself from, in `report_files`.
LIVE = "live.js"

_BESIDE = (
    (layout.SHEET, "all of it in one picture"),
    (layout.JOB_FILE, "every setting; put into an inbox, it runs the job again"),
    (layout.ORIGINAL, "the job file as it was dropped"),
    (layout.RESULT, "sizes, hashes and figures for programs"),
    (layout.ERROR, "what failed, and what to do"),
    (layout.ANSWER, "what became of the last cancel, hold, release or retry"),
)


@dataclass(frozen=True)
class _Links:
    files: str
    beside: tuple[tuple[str, str], ...]


def report_files(view: JobView) -> tuple[bytes, bytes]:
    """Return `report.html`, and the script that brings an open one up to date."""
    body = _job_body(view)
    whole = page(
        "report.html",
        *REPORT_ASSETS,
        heading=view.job.name,
        crumbs=((f"../{layout.INDEX}", "All jobs"),),
        live=f"{_FILES}{LIVE}",
        body=body,
        job_id=view.job.id,
        source=view.job.source,
    )
    return whole, data_script("report", {"body": str(body)})


def render_file(job: JobRow, render: RenderView) -> bytes:
    """Return the page of one render of a matrix job, which lies in `report_files`."""
    parts = environment().get_template("report_parts.html").module
    body = parts.render_body(render, tables_of(render), "", "../")  # type: ignore[attr-defined]
    return page(
        "report.html",
        *REPORT_ASSETS,
        heading=render.title,
        crumbs=(
            (f"../../{layout.INDEX}", "All jobs"),
            (f"../{layout.REPORT}", job.name),
        ),
        live="",
        body=body,
        job_id=job.id,
        source=job.source,
    )


def _job_body(view: JobView) -> Markup:
    single = view.renders[0] if len(view.renders) == 1 else None
    beside = tuple((name, words) for name, words in _BESIDE if name in view.listing.folder)
    parts = environment().get_template("report_parts.html").module
    body: Markup = parts.job_body(  # type: ignore[attr-defined]
        view,
        tables_of(single) if single else _common_tables(view),
        _Links(_FILES, beside),
    )
    return body


def _common_tables(view: JobView) -> tuple[tuple[str, tuple[Fact, ...]], ...]:
    """Return what all renders of a job share."""
    if not view.renders:
        return ()
    return (("Settings", tuple(settings_facts(view.renders[0], view.precision))),)
