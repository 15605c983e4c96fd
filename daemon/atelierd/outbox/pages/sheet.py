"""`contact-sheet.jpg`: a job in one picture, for those who have only a picture viewer.

It is put together from the small copies in `report_files`. Threat: they lie on the share, and
anybody may have put something else there. Answers: a copy is opened as JPEG and as nothing else,
and one that is larger than ours are is left out. Risk that is accepted: a hole in libjpeg itself.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from atelierd.images.previews import SMALL
from atelierd.outbox.folder import regular_file
from atelierd.outbox.pages.text import visible
from atelierd.outbox.pages.views import JobView, RenderView

#: Pictures on one sheet, and the longest side of each, by how many there are.
MOST_CELLS = 240
_CELL = ((12, 400), (48, 260), (MOST_CELLS, 150))
#: Columns of a matrix that are kept.
_WIDEST = 16
#: Bytes of a small copy: ours have a tenth of that.
_LARGEST_COPY = 1 << 20

_GAP, _MARGIN, _CAPTION = 18, 32, 26
_WALL, _INK, _SOFT = (244, 240, 232), (35, 30, 23), (102, 93, 80)
_QUALITY = 88


@dataclass(frozen=True)
class Cell:
    """A place on the sheet: a copy in `report_files` and what stands below it."""

    file: str
    caption: str


def cells_of(view: JobView) -> list[Cell]:
    """Return what is on a job's sheet, in order.

    Of one render: content, styles, snapshots, result; of several, their results.
    """
    if len(view.renders) == 1:
        return _course(view.renders[0])
    return [Cell(render.now, render.title) for render in view.renders if render.now]


def _course(render: RenderView) -> list[Cell]:
    named = [("content", render.content), *(("style", style) for style in render.styles)]
    inputs = [Cell(image.small, f"{role}: {image.name}") for role, image in named if image.small]
    shots = [
        Cell(shot.small, "result" if shot.name == "result" else f"iteration {shot.iteration:,}")
        for shot in render.shots
        if shot.small
    ]
    return [*inputs, *_spread(shots, MOST_CELLS - len(inputs))]


def _spread(cells: Sequence[Cell], most: int) -> list[Cell]:
    if len(cells) <= most:
        return list(cells)
    return [cells[index * (len(cells) - 1) // (most - 1)] for index in range(most)]


def columns_of(view: JobView) -> int | None:
    """Return how many cells are side by side where the job says so: a column for each style."""
    if view.grid is None or len(view.renders) > MOST_CELLS:
        return None
    columns = len(view.grid.columns)
    return columns if columns <= _WIDEST and all(render.now for render in view.renders) else None


def draw_sheet(
    heading: str, cells: Sequence[Cell], files: Path, columns: int | None = None
) -> bytes | None:
    """Return the sheet as a JPEG; None where no copy in the open folder `files` can be shown.

    Raises OSError if the share fails.
    """
    more = len(cells) - MOST_CELLS
    cells = cells[:MOST_CELLS]
    longest = next(side for most, side in _CELL if len(cells) <= most)
    pictures = [(cell, _copy(files / cell.file, longest)) for cell in cells]
    shown = [(cell, picture) for cell, picture in pictures if picture is not None]
    if not shown:
        return None
    if columns is None or len(shown) < len(cells):
        columns = _columns([picture.size for _, picture in shown])
    wide = max(picture.width for _, picture in shown)
    rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
    heights = [max(picture.height for _, picture in row) + _CAPTION + _GAP for row in rows]
    width = max(2 * _MARGIN + len(rows[0]) * (wide + _GAP) - _GAP, 480)
    sheet = Image.new("RGB", (width, 2 * _MARGIN + 40 + sum(heights) - _GAP), _WALL)
    draw = ImageDraw.Draw(sheet)
    title = heading + (f" (the first {MOST_CELLS} of {len(cells) + more})" if more > 0 else "")
    _write(draw, (_MARGIN, _MARGIN - 4), title, 24, width - 2 * _MARGIN, _INK)
    top = _MARGIN + 40
    for row, height in zip(rows, heights, strict=True):
        line = top + height - _CAPTION - _GAP
        for column, (cell, picture) in enumerate(row):
            left = _MARGIN + column * (wide + _GAP)
            sheet.paste(picture, (left, line - picture.height))
            _write(draw, (left, line + 6), cell.caption, 14, wide, _SOFT)
        top += height
    file = io.BytesIO()
    sheet.save(file, format="jpeg", quality=_QUALITY)
    return file.getvalue()


def _columns(sizes: Sequence[tuple[int, int]]) -> int:
    """Return how many pictures stand side by side, so that the sheet is about as wide as a page."""
    wide = max(width for width, _ in sizes) + _GAP
    high = max(height for _, height in sizes) + _CAPTION + _GAP
    return max(1, min(len(sizes), math.ceil(math.sqrt(1.5 * len(sizes) * high / wide))))


def _copy(path: Path, longest: int) -> Image.Image | None:
    """Return a copy of ours, at most `longest` pixels a side; None if it is none."""
    with regular_file(path) as file:
        data = b"" if file is None else file.read(_LARGEST_COPY + 1)
    if not 0 < len(data) <= _LARGEST_COPY:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as opened:
            if max(opened.size) > SMALL:
                return None
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError):
        return None
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return picture


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    width: int,
    color: tuple[int, int, int],
) -> None:
    """Write one line, cut short to `width` pixels."""
    font = ImageFont.load_default(size)
    line = " ".join(visible(text).split())
    cut = line
    while cut and draw.textlength(cut + ("…" if cut != line else ""), font=font) > width:
        cut = cut[:-1]
    draw.text(place, cut + ("…" if cut != line else ""), fill=color, font=font)
