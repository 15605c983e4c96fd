from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.outbox.pages.sheet import MOST_CELLS, Cell, cells_of, columns_of, draw_sheet
from atelierd.outbox.pages.views import JobView, Listing, view_render

NewJob = Callable[..., JobRow]


def view(ledger: Ledger, files: set[str]) -> JobView:
    listing = Listing(frozenset(), frozenset(files))
    renders = tuple(view_render(row, listing, None, None) for row in ledger.renders("a1"))
    return JobView(ledger.job("a1"), renders, None, None, listing)


def size(data: bytes | None) -> tuple[int, int]:
    assert data is not None
    return Image.open(io.BytesIO(data)).size


def test_one_render_is_told_from_its_content_to_its_result(
    ledger: Ledger, new_job: NewJob, work: Callable[..., None]
) -> None:
    new_job(styles=[{"x.png": 0.5, "y.png": 0.5}])
    work("a1.0")
    bare = view(ledger, set())
    stems = [f"content-{bare.renders[0].content.sha256[:16]}"]
    stems += [f"style-{style.sha256[:16]}" for style in bare.renders[0].styles]
    stems += ["0000-snapshot-000050", "0000-now"]
    names = {f"{stem}{size}.jpg" for stem in stems for size in ("", "-small")}
    cells = cells_of(view(ledger, names))
    assert [cell.caption for cell in cells] == [
        "content: skyline.jpg", "style: x.png", "style: y.png", "iteration 50", "result"
    ]  # fmt: skip


def test_of_many_snapshots_some_are_shown_the_last_one_among_them(
    ledger: Ledger, new_job: NewJob, work: Callable[..., None]
) -> None:
    new_job()
    work("a1.0", 199)
    names = {f"0000-snapshot-{i:06d}-small.jpg" for i in range(1, 200)}
    names |= {f"0000-snapshot-{i:06d}.jpg" for i in range(1, 200)}
    assert len(cells_of(view(ledger, names))) == 199
    ledger.finish_render("a1.0")
    names.add("0000-now-small.jpg")
    assert cells_of(view(ledger, names))[-1].caption == "result"


def test_a_matrix_has_a_column_for_each_style(ledger: Ledger, new_job: NewJob) -> None:
    new_job(contents=["a.jpg", "b.jpg"], styles=["x.png", "y.png", "z.png"])
    names = {f"{index:04d}-now-small.jpg" for index in range(6)}
    matrix = view(ledger, names)
    assert columns_of(matrix) == 3
    assert len(cells_of(matrix)) == 6
    assert columns_of(view(ledger, names - {"0004-now-small.jpg"})) is None


def test_pictures_stand_side_by_side(tmp_path: Path, copy: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(copy)
    wide = size(draw_sheet("evening", [Cell("a.jpg", "one")] * 8, tmp_path, 8))
    high = size(draw_sheet("evening", [Cell("a.jpg", "one")] * 8, tmp_path, 2))
    assert wide[0] > 8 * 120
    assert high[1] > 4 * 90


def test_a_name_is_cut_to_the_width_of_its_picture(tmp_path: Path, copy: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(copy)
    short = draw_sheet("x", [Cell("a.jpg", "y")], tmp_path)
    long = draw_sheet("x" * 500, [Cell("a.jpg", "🌃 \u202e\n" * 100)], tmp_path)
    assert size(long) == size(short)


def test_there_is_an_end_to_a_sheet(tmp_path: Path, copy: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(copy)
    cells = [Cell("a.jpg", str(number)) for number in range(MOST_CELLS + 100)]
    width, height = size(draw_sheet("evening", cells, tmp_path))
    assert max(width, height) < 5_000


@pytest.mark.parametrize("kind", ["png", "huge", "cut off", "text", "link", "fifo-like name"])
def test_what_is_no_copy_of_ours_is_left_out(tmp_path: Path, copy: bytes, kind: str) -> None:
    (tmp_path / "good.jpg").write_bytes(copy)
    bad = tmp_path / "bad.jpg"
    if kind == "png":
        Image.new("RGB", (8, 8)).save(bad, "png")
    elif kind == "huge":
        Image.new("RGB", (4000, 4000)).save(bad, "jpeg")
    elif kind == "cut off":
        bad.write_bytes(copy[:200])
    elif kind == "text":
        bad.write_text("no picture")
    elif kind == "link":
        bad.symlink_to("good.jpg")
    cells = [Cell("good.jpg", "good"), Cell("bad.jpg", "bad")]
    assert draw_sheet("x", cells, tmp_path) == draw_sheet("x", cells[:1], tmp_path)
    assert draw_sheet("x", cells[1:], tmp_path) is None
