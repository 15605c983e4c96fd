"""Jobs as the index page lists them, from the ledger alone: no file of a job is looked at."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from atelierd.images.previews import NOW, small
from atelierd.jobs.frozen import FrozenRender
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.ledger.states import RENDER_FINISHED, RenderState
from atelierd.outbox import layout
from atelierd.outbox.pages.text import visible

#: Pictures in the frame of a job that has several.
MOSAIC = 4
#: Names that a line lists before it counts the others, and renders whose names can be searched.
NAMED_AT_MOST, SEARCHED_AT_MOST = 3, 500


@dataclass(frozen=True)
class Subject:
    """What a job is to paint: it does not change."""

    content: str
    style: str
    #: What a search finds it by, in small letters.
    words: str


@dataclass(frozen=True)
class Thumb:
    """A small copy of a render's picture."""

    #: Relative to the outbox.
    path: str
    #: Tells a browser that the picture has changed.
    version: int


@dataclass(frozen=True)
class Card:
    """One job."""

    job: JobRow
    subject: Subject
    thumbs: tuple[Thumb, ...]
    renders: int
    done: int
    #: Done iterations as a part of all, 0 to 1.
    progress: float
    #: Of all renders together.
    seconds: float

    @property
    def report(self) -> str:
        """The job's report, relative to the outbox."""
        return f"{self.job.folder}/{layout.REPORT}"


@dataclass(frozen=True)
class Running(Card):
    """A job that is being worked on."""

    title: str = ""
    iteration: int = 0
    iterations: int = 0
    seconds_left: float | None = None


def subject_of(job: JobRow, renders: Sequence[RenderRow]) -> Subject:
    """Return what the job is about."""
    frozen = [FrozenRender.model_validate_json(row.spec) for row in renders[:SEARCHED_AT_MOST]]
    contents = dict.fromkeys(one.content.path for one in frozen)
    blends = dict.fromkeys(tuple(style.path for style in one.styles) for one in frozen)
    styles = dict.fromkeys(path for blend in blends for path in blend)
    words = " ".join([job.name, job.folder, *contents, *styles])
    return Subject(
        content=_named([_stem(path) for path in contents]),
        style=_named([" + ".join(_stem(path) for path in blend) for blend in blends]),
        words=visible(unicodedata.normalize("NFC", words).lower()),
    )


def card_of(job: JobRow, renders: Sequence[RenderRow], subject: Subject) -> Card:
    """Return how a job is listed."""
    total = sum(row.iterations for row in renders)
    done = sum(
        row.iterations if row.state in RENDER_FINISHED else min(row.iteration, row.iterations)
        for row in renders
    )
    return Card(
        job=job,
        subject=subject,
        thumbs=_thumbs(job, renders),
        renders=len(renders),
        done=sum(row.state is RenderState.DONE for row in renders),
        progress=done / total if total else 0.0,
        seconds=sum(row.seconds for row in renders),
    )


def running_of(
    job: JobRow,
    renders: Sequence[RenderRow],
    subject: Subject,
    seconds_left: Mapping[str, float],
) -> Running:
    """Return how a job is shown while it is worked on; `seconds_left` goes by the render's id."""
    card = card_of(job, renders, subject)
    now = next((row for row in renders if row.state is RenderState.RUNNING), renders[0])
    return Running(
        **vars(replace(card, thumbs=_thumbs(job, [now]) or card.thumbs)),
        title=now.title,
        iteration=now.iteration,
        iterations=now.iterations,
        seconds_left=job_seconds_left(renders, seconds_left),
    )


def job_seconds_left(
    renders: Sequence[RenderRow], seconds_left: Mapping[str, float]
) -> float | None:
    """Return the seconds until a job is done: what runs, and what waits at the others' pace.

    None where that cannot be told.
    """
    running = [row for row in renders if row.state is RenderState.RUNNING]
    if not running or any(row.id not in seconds_left for row in running):
        return None
    left = sum(seconds_left[row.id] for row in running)
    taken = [row.seconds for row in renders if row.state is RenderState.DONE]
    taken = taken or [row.seconds + seconds_left[row.id] for row in running]
    waiting = sum(row.state is RenderState.QUEUED for row in renders)
    return left + waiting * sum(taken) / len(taken)


def _thumbs(job: JobRow, renders: Sequence[RenderRow]) -> tuple[Thumb, ...]:
    # A worker leaves a small copy within its first segment, before it reports an iteration.
    begun = [row for row in renders if row.iteration]
    begun.sort(key=lambda row: row.state is not RenderState.DONE)
    chosen = begun[:MOSAIC] if len(begun) >= MOSAIC else begun[:1]
    folder = f"{job.folder}/{layout.REPORT_FILES}"
    return tuple(
        Thumb(f"{folder}/{layout.of_render(row.index, small(NOW))}", row.iteration)
        for row in chosen
    )


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    listed = ", ".join(names[:NAMED_AT_MOST])
    return f"{listed} and {more} more" if more > 0 else listed
