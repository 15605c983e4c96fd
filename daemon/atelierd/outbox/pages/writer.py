"""Writing the pages: when, how often, and only what differs from what lies there.

All of it follows from the ledger and from what is published, so nothing is lost if it is put off;
and it is paced by what it costs, so that a job of a thousand renders keeps nobody waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from atelierd import durable
from atelierd.jobs.schema import Precision
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.ledger.states import JOB_FINISHED, JobState, RenderState
from atelierd.outbox import layout
from atelierd.outbox.errors import FolderTakenError
from atelierd.outbox.folder import JobFolder, names_in, opened, opened_inside, regular_file
from atelierd.outbox.pages.cards import job_seconds_left
from atelierd.outbox.pages.receipts import read_entry
from atelierd.outbox.pages.report import LIVE, render_file, report_files
from atelierd.outbox.pages.sheet import cells_of, columns_of, draw_sheet
from atelierd.outbox.pages.views import JobView, Listing, RenderView, has_page, view_render
from atelierd.outbox.rerun import write_rerun

logger = logging.getLogger(__name__)

#: Share of the time that the report of one job may take while it is worked on.
REPORT_SHARE = 0.02
#: Bytes of a page that is compared with what lies there before it is written.
_LARGEST_COMPARED = 1 << 26


@dataclass
class _Progress:
    """What has been written of one job's pages since it last changed for good."""

    #: The job's state, but for running and queued, which take turns with every render.
    state: JobState | None = None
    #: When it may be shown again although only its progress has changed; monotonic seconds.
    due: float = 0.0
    #: Renders of a matrix whose own pages are as they will stay.
    settled: set[int] = field(default_factory=set)
    #: Whether it has been seen unfinished, so that its contact sheet may be an old one.
    has_run: bool = False
    #: What each render was computed in, by its index, as far as it is known.
    precisions: dict[int, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _Facts:
    """A job as it is at one moment."""

    job: JobRow
    renders: Sequence[RenderRow]
    #: By the id of the render.
    seconds_left: Mapping[str, float]
    expected: str

    @property
    def finished(self) -> bool:
        return self.job.state in JOB_FINISHED


class ReportWriter:
    """Keeps the reports of all jobs in step with the ledger."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._progress: dict[str, _Progress] = {}

    def show(
        self,
        folder: JobFolder,
        job: JobRow,
        renders: Sequence[RenderRow],
        seconds_left: Mapping[str, float],
        until: float,
        expected: str = "",
    ) -> bool:
        """Write what has changed of a job's pages; False if the rest has to wait for the next turn.

        `seconds_left` goes by the render's id; `expected` is what the job is told to expect. Raises
        FolderLostError, WorldFault.
        """
        progress = self._progress.setdefault(job.id, _Progress())
        started = self._clock()
        state = JobState.RUNNING if job.state is JobState.QUEUED else job.state
        if progress.state is state and started < progress.due:
            return False
        progress.state = state
        facts = _Facts(job, renders, seconds_left, expected)
        progress.has_run |= not facts.finished
        try:
            complete = self._write(folder, facts, progress, until)
        except FolderTakenError as error:
            logger.warning("%s: %s; the report is left out", folder.path, error)
            complete = True
        ended = self._clock()
        progress.due = ended + (ended - started) / REPORT_SHARE if complete else ended
        if facts.finished and complete:
            del self._progress[job.id]
        return complete

    def _write(self, folder: JobFolder, facts: _Facts, progress: _Progress, until: float) -> bool:
        if not facts.renders:
            with opened(folder) as here:
                view = JobView(facts.job, (), None, None, Listing(names_in(here), frozenset()))
                write_changed(here / layout.REPORT, report_files(view)[0])
            return True
        write_rerun(folder, facts.job, facts.renders)
        with opened(folder) as here, opened_inside(here, layout.REPORT_FILES) as files:
            listing = Listing(names_in(here), names_in(files))
            if len(facts.renders) > 1:
                complete = self._write_renders(facts, progress, files, listing, until)
                if not complete:
                    return False
            if facts.finished and (progress.has_run or layout.SHEET not in listing.folder):
                listing = _write_sheet(facts, here, files, listing)
                progress.has_run = False
            _write_report(facts, progress, here, files, listing)
        precision = _precision(facts, progress)
        if precision is not None:
            write_rerun(folder, facts.job, facts.renders, precision)
        return True

    def _write_renders(
        self, facts: _Facts, progress: _Progress, files: Path, listing: Listing, until: float
    ) -> bool:
        """Write the pages of renders that are not settled; at least one, whatever the time."""
        pending = [
            row for row in facts.renders if has_page(row) and row.index not in progress.settled
        ]
        for row in pending:
            view = _view(row, facts, progress, files, listing)
            write_changed(files / view.page, render_file(facts.job, view))
            if view.is_finished:
                progress.settled.add(row.index)
            if self._clock() > until and row is not pending[-1]:
                return False
        return True


def _write_sheet(facts: _Facts, here: Path, files: Path, listing: Listing) -> Listing:
    """Write the contact sheet and return the listing with it."""
    views = tuple(view_render(row, listing, None, None) for row in facts.renders)
    view = JobView(facts.job, views, None, None, listing)
    sheet = draw_sheet(facts.job.name, cells_of(view), files, columns_of(view))
    if sheet is None:
        return listing
    write_changed(here / layout.SHEET, sheet)
    return replace(listing, folder=listing.folder | {layout.SHEET})


def _write_report(
    facts: _Facts, progress: _Progress, here: Path, files: Path, listing: Listing
) -> None:
    if len(facts.renders) == 1:
        views = [_view(facts.renders[0], facts, progress, files, listing)]
    else:
        views = [view_render(row, listing, None, None) for row in facts.renders]
    left = job_seconds_left(facts.renders, facts.seconds_left)
    page, live = report_files(
        JobView(
            facts.job,
            tuple(views),
            left,
            _precision(facts, progress),
            listing,
            facts.expected,
            has_preview=_has_preview(facts),
        )
    )
    if not facts.finished or LIVE in listing.files:
        # An open page is told the end, too.
        write_changed(files / LIVE, live)
    write_changed(here / layout.REPORT, page)


def _view(
    row: RenderRow, facts: _Facts, progress: _Progress, files: Path, listing: Listing
) -> RenderView:
    """Return all that is told of one render, its receipt included."""
    entry = read_entry(files, row.index, row.title) if row.state is RenderState.DONE else None
    if entry is not None:
        progress.precisions[row.index] = entry.receipt.settings.get("precision")
    return view_render(row, listing, entry, facts.seconds_left.get(row.id))


def _precision(facts: _Facts, progress: _Progress) -> Precision | None:
    """Return what the whole job was computed in; None while it is not done, or not the same."""
    if any(row.state is not RenderState.DONE for row in facts.renders):
        return None
    told = {progress.precisions.get(row.index) for row in facts.renders}
    every: tuple[Precision, ...] = ("fp32", "tf32", "bf16")
    return next((precision for precision in every if told == {precision}), None)


def _has_preview(facts: _Facts) -> bool:
    """Whether a job waits for its turn of which a picture is there."""
    waits = facts.job.state is JobState.QUEUED
    return waits and any(row.drafted and row.iteration for row in facts.renders)


def write_changed(target: Path, data: bytes) -> None:
    """Replace `target` by `data` in one step, unless that is what it holds. Raises OSError."""
    with regular_file(target) as file:
        if file is not None and file.read(_LARGEST_COMPARED) == data:
            return
    durable.write_bytes(target, data)
