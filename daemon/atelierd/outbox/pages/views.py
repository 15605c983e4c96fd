"""What a report shows, as plain values: the templates only lay it out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from atelierd.images import SUFFIXES
from atelierd.images.previews import (
    NOW,
    content_stem,
    large,
    small,
    snapshot_stem,
    style_stem,
)
from atelierd.jobs.frozen import FrozenImage, FrozenRender
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.ledger.states import RENDER_FINISHED, RenderState
from atelierd.outbox import layout
from atelierd.outbox.pages.curve import Curve, curve_of
from atelierd.outbox.pages.receipts import Entry

_SNAPSHOT = re.compile(r"(\d{4,})-snapshot-(\d{6,})\.jpg")


@dataclass(frozen=True)
class Listing:
    """What lies in a job's folder, and in its `report_files`."""

    folder: frozenset[str]
    files: frozenset[str]

    @cached_property
    def snapshots(self) -> Mapping[int, list[int]]:
        """Iterations of the snapshots that can be shown, rising, by the render's index."""
        found: dict[int, list[int]] = {}
        for name in sorted(self.files):
            if match := _SNAPSHOT.fullmatch(name):
                found.setdefault(int(match[1]), []).append(int(match[2]))
        return found


@dataclass(frozen=True)
class Shown:
    """A picture with its two copies in `report_files`, None where one is not there."""

    name: str
    large: str | None
    small: str | None


@dataclass(frozen=True)
class Input(Shown):
    """A content or a style."""

    path: str
    sha256: str
    #: Of a blend, in percent; None where it is the only style.
    percent: float | None = None


@dataclass(frozen=True)
class Shot(Shown):
    """A snapshot or the result."""

    iteration: int
    #: The picture itself in the job's folder, None if it is not there.
    file: str | None


@dataclass(frozen=True)
class RenderView:
    """One render on its page, or in a cell of the job's grid."""

    index: int
    title: str
    state: RenderState
    reason: str
    iteration: int
    iterations: int
    seconds: float
    seconds_left: float | None
    content: Input
    styles: tuple[Input, ...]
    shots: tuple[Shot, ...]
    now: str | None
    frozen: FrozenRender
    entry: Entry | None

    @property
    def page(self) -> str:
        """Name in `report_files` of the render's own page, where its job has several."""
        return layout.of_render(self.index, layout.REPORT)

    @property
    def has_page(self) -> bool:
        """Whether there is anything to tell on a page of its own."""
        return has_page(self)

    @property
    def is_finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in RENDER_FINISHED

    @property
    def last(self) -> Shot | None:
        """The result, or what comes nearest to it."""
        return next((shot for shot in reversed(self.shots) if shot.large), None)

    @property
    def thumb(self) -> str | None:
        """The small copy that stands for the render: how far it is, or what it starts from."""
        return self.now or self.content.small

    @cached_property
    def curve(self) -> Curve | None:
        """The objective's curve, if the render is finished."""
        return None if self.entry is None else curve_of(self.entry.receipt.trace)


def has_page(render: RenderRow | RenderView) -> bool:
    """Whether there is anything to tell of a render on a page of its own."""
    return render.iteration > 0 or render.state in (RenderState.DONE, RenderState.FAILED)


def view_render(
    row: RenderRow, listing: Listing, entry: Entry | None, seconds_left: float | None
) -> RenderView:
    """Return what is shown of one render; `entry` is what `result.json` says of it."""
    frozen = FrozenRender.model_validate_json(row.spec)
    extension = SUFFIXES[frozen.settings.output_format].lstrip(".")
    if row.state is not RenderState.DONE:
        entry = None
    now = layout.of_render(row.index, small(NOW))
    return RenderView(
        index=row.index,
        title=row.title,
        state=row.state,
        reason=row.reason,
        iteration=row.iteration,
        iterations=row.iterations,
        seconds=row.seconds,
        seconds_left=seconds_left,
        content=_input(frozen.content, content_stem(frozen.content.sha256), listing),
        styles=tuple(
            _input(
                style,
                style_stem(style.sha256),
                listing,
                100 * style.share if len(frozen.styles) > 1 else None,
            )
            for style in frozen.styles
        ),
        shots=tuple(_shots(row, extension, listing)),
        now=now if now in listing.files else None,
        frozen=frozen,
        entry=entry,
    )


def _input(image: FrozenImage, stem: str, listing: Listing, percent: float | None = None) -> Input:
    return Input(
        name=PurePosixPath(image.path).name,
        large=_there(large(stem), listing),
        small=_there(small(stem), listing),
        path=image.path,
        sha256=image.sha256,
        percent=percent,
    )


def _shots(row: RenderRow, extension: str, listing: Listing) -> list[Shot]:
    shots = [
        _shot(
            str(iteration),
            iteration,
            layout.of_render(row.index, snapshot_stem(iteration)),
            layout.snapshot_name(row.title, iteration, extension),
            listing,
        )
        for iteration in listing.snapshots.get(row.index, [])
        if iteration <= row.iteration
    ]
    if row.state is RenderState.DONE:
        stem = layout.of_render(row.index, NOW)
        name = layout.result_name(row.title, extension)
        shots.append(_shot("result", row.iteration, stem, name, listing))
    return shots


def _shot(name: str, iteration: int, stem: str, file: str, listing: Listing) -> Shot:
    return Shot(
        name=name,
        large=_there(large(stem), listing),
        small=_there(small(stem), listing),
        iteration=iteration,
        file=file if file in listing.folder else None,
    )


def _there(name: str, listing: Listing) -> str | None:
    return name if name in listing.files else None


@dataclass(frozen=True)
class JobView:
    """A job with all its renders."""

    job: JobRow
    renders: tuple[RenderView, ...]
    #: Until it is done, as far as can be told.
    seconds_left: float | None
    #: What all of it was computed in, once that is known.
    precision: str | None
    #: Whether `contact-sheet.jpg`, `job.yaml` and `error.txt` are there.
    listing: Listing
    #: In words what is to be expected of it; of a finished one, by how much it came too late.
    expected: str = ""
    #: Whether it waits for its turn, and its preview is there.
    has_preview: bool = False

    @property
    def done(self) -> int:
        """How many renders are finished with a picture."""
        return sum(render.state is RenderState.DONE for render in self.renders)

    @property
    def progress(self) -> float:
        """Done iterations as a part of all, 0 to 1."""
        total = sum(render.iterations for render in self.renders)
        done = sum(
            render.iterations if render.is_finished else min(render.iteration, render.iterations)
            for render in self.renders
        )
        return done / total if total else 0.0

    @cached_property
    def grid(self) -> Grid | None:
        """Contents by styles, where there are several of both."""
        return grid_of(self.renders)


@dataclass(frozen=True)
class Grid:
    """The renders of a matrix job as a table."""

    columns: tuple[tuple[Input, ...], ...]
    rows: tuple[tuple[Input, tuple[RenderView, ...]], ...]


def grid_of(renders: Sequence[RenderView]) -> Grid | None:
    """Return renders as a table with a row for each content and a column for each style.

    None where one of them would be the only one: then there is nothing to compare across.
    """
    columns = {_key(render): render.styles for render in renders}
    rows: dict[str, list[RenderView]] = {}
    for render in renders:
        rows.setdefault(render.content.path, []).append(render)
    whole = all([_key(render) for render in row] == list(columns) for row in rows.values())
    if len(columns) < 2 or len(rows) < 2 or not whole:
        return None
    return Grid(
        columns=tuple(columns.values()),
        rows=tuple((row[0].content, tuple(row)) for row in rows.values()),
    )


def _key(render: RenderView) -> tuple[tuple[str, float | None], ...]:
    return tuple((style.path, style.percent) for style in render.styles)
