from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from atelierd.jobs.frozen import FrozenImage, FrozenRegion
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.outbox.pages.facts import tables_of
from atelierd.outbox.pages.receipts import Entry
from atelierd.outbox.pages.views import Listing, grid_of, view_render
from atelierd.outbox.publish import PublishedFile

NewJob = Callable[..., JobRow]
Work = Callable[..., None]
EMPTY = Listing(frozenset(), frozenset())


def listing(folder: str = "", files: str = "") -> Listing:
    return Listing(frozenset(folder.split(" ")), frozenset(files.split()))


def test_only_what_lies_there_is_shown(ledger: Ledger, new_job: NewJob, work: Work) -> None:
    new_job()
    work("a1.0")
    (row,) = ledger.renders("a1")
    bare = view_render(row, EMPTY, None, None)
    assert (bare.thumb, bare.content.large, bare.shots[-1].file) == (None, None, None)
    stem = f"content-{bare.content.sha256[:16]}"
    files = f"{stem}.jpg {stem}-small.jpg 0000-now.jpg 0000-now-small.jpg 0001-now-small.jpg"
    full = view_render(row, listing("", files), None, None)
    assert full.content.large == f"{stem}.jpg"
    assert full.thumb == "0000-now-small.jpg"
    assert full.last is not None
    assert full.last.name == "result"


def test_snapshots_are_those_of_the_render_in_their_order(
    ledger: Ledger, new_job: NewJob, work: Work
) -> None:
    new_job(contents=["a.jpg", "b.jpg"])
    work("a1.0", 120)
    files = " ".join(
        f"{index}-snapshot-{iteration:06d}{size}.jpg"
        for index in ("0000", "0001")
        for iteration in (50, 100, 150)
        for size in ("", "-small")
    )
    row = ledger.renders("a1")[0]
    view = view_render(row, listing("x", files + " 0000-snapshot-x.jpg"), None, 9.5)
    # 150 is of an attempt that was further before it had to begin anew.
    assert [shot.iteration for shot in view.shots] == [50, 100]
    assert view.shots[0].small == "0000-snapshot-000050-small.jpg"
    assert view.last is view.shots[1]
    assert not view.is_finished


def test_a_snapshot_leads_to_the_picture_itself(
    ledger: Ledger, new_job: NewJob, work: Work
) -> None:
    new_job(output={"format": "tiff"})
    work("a1.0")
    row = ledger.renders("a1")[0]
    names = Listing(
        frozenset({"picture 0-0050.tif", "picture 0.tif"}),
        frozenset({"0000-snapshot-000050.jpg", "0000-now.jpg"}),
    )
    shots = view_render(row, names, None, None).shots
    assert [shot.file for shot in shots] == ["picture 0-0050.tif", "picture 0.tif"]


def test_a_matrix_is_a_table_of_contents_by_styles(ledger: Ledger, new_job: NewJob) -> None:
    new_job(contents=["a.jpg", "b.jpg"], styles=["x.png", {"x.png": 0.25, "y.png": 0.75}])
    grid = grid_of([view_render(row, EMPTY, None, None) for row in ledger.renders("a1")])
    assert grid is not None
    assert [[style.percent for style in column] for column in grid.columns] == [[None], [25, 75]]
    assert [content.name for content, _ in grid.rows] == ["a.jpg", "b.jpg"]
    assert [[render.index for render in row] for _, row in grid.rows] == [[0, 1], [2, 3]]


def test_one_row_or_one_column_is_no_table(ledger: Ledger, new_job: NewJob) -> None:
    new_job("a1", contents=["a.jpg", "b.jpg"])
    new_job("a2", styles=["a.jpg", "b.jpg"])
    for job in ("a1", "a2"):
        assert grid_of([view_render(r, EMPTY, None, None) for r in ledger.renders(job)]) is None


def test_a_report_names_every_setting_as_a_job_file_does(
    ledger: Ledger, new_job: NewJob, work: Work, receipt: dict[str, Any]
) -> None:
    new_job(size="480x360")
    work("a1.0")
    entry = Entry.model_validate(
        {
            "title": "picture 0",
            "files": [PublishedFile("picture 0.png", 80_123, "ef" * 32)],
            "receipt": receipt,
        }
    )
    names = Listing(frozenset({"picture 0.png"}), frozenset())
    view = view_render(ledger.renders("a1")[0], names, entry, None)
    tables = dict(tables_of(view))
    settings = {fact.name: fact.value for fact in tables["Settings"]}
    assert settings["size"] == "480 \u00d7 360"
    assert settings["precision"] == "fp32"
    assert settings["output: format"] == "png"
    course = {fact.name: fact.value for fact in tables["Course"]}
    assert course["objective"] == "50,000"
    assert course["64 \u00d7 48"] == "100 iterations in bf16, 0.1 s each"
    machine = {fact.name: fact.value or fact.proof for fact in tables["Computed with"]}
    assert machine == {
        "atelierd": "0.1.0", "engine": "torch", "version": "2.13", "device": "cpu",
        "weights": "ab" * 32,
    }  # fmt: skip
    pictures = [(fact.name, fact.value) for fact in tables["Pictures"]]
    assert pictures == [
        ("content", "skyline.jpg"),
        ("style", "art/whirls.jpg"),
        ("result", "picture 0.png, 80 kB"),
    ]


def test_a_report_lists_the_masks_of_each_region(ledger: Ledger, new_job: NewJob) -> None:
    new_job()
    view = view_render(ledger.renders("a1")[0], EMPTY, None, None)
    sky, clouds = (FrozenImage(path=f"{name}.png", sha256="ab" * 32) for name in ("sky", "clouds"))
    masks = (FrozenRegion(content=sky, style=clouds), FrozenRegion(content=sky, style=None))
    masked = replace(view, frozen=view.frozen.model_copy(update={"masks": masks}))
    pictures = [(fact.name, fact.value) for fact in dict(tables_of(masked))["Pictures"]]
    assert pictures[2:] == [
        ("content mask", "sky.png"),
        ("style mask", "clouds.png"),
        ("content mask", "sky.png"),
    ]


def test_a_report_of_a_render_under_way_says_how_far_it_is(
    ledger: Ledger, new_job: NewJob, work: Work
) -> None:
    new_job()
    work("a1.0", 50, seconds=75.0)
    tables = dict(tables_of(view_render(ledger.renders("a1")[0], EMPTY, None, None)))
    assert [(fact.name, fact.value) for fact in tables["Course"]] == [
        ("iterations", "50 of 200"),
        ("time", "1 min 15 s"),
    ]
    assert "Computed with" not in tables
