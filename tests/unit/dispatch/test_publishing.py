from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from atelierd.dispatch.publishing import publish_finished, publish_previews, publish_snapshots
from atelierd.durable import TEMPORARY_PREFIX
from atelierd.errors import WorldFault
from atelierd.outbox.folder import JobFolder, open_job_folder
from atelierd.outbox.publish import verify_manifest

Bench = Any


@pytest.fixture
def folder(bench: Bench) -> JobFolder:
    return open_job_folder(bench.outbox, bench.add("a"), b"content: x\nstyle: y\n")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def names(folder: JobFolder) -> set[str]:
    return {path.name for path in folder.path.glob("*.png")}


def test_snapshots_move_to_the_outbox_under_the_renders_title(
    folder: JobFolder, work: Path
) -> None:
    for iteration in (20, 100, 12000):
        (work / f"snapshot-{iteration:06d}.png").write_bytes(b"%d" % iteration)
    (work / f"{TEMPORARY_PREFIX}123-snapshot-000020.png").write_bytes(b"half")
    (work / "00000020.checkpoint").write_bytes(b"x")
    assert publish_snapshots(folder, "sky", work) == 3
    assert names(folder) == {"sky-0020.png", "sky-0100.png", "sky-12000.png"}
    assert (folder.path / "sky-0100.png").read_bytes() == b"100"
    assert not list(work.glob("snapshot-*"))
    assert publish_snapshots(folder, "sky", work) == 0


def test_a_snapshot_stays_until_it_is_published(
    folder: JobFolder, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for iteration in (20, 40):
        (work / f"snapshot-{iteration:06d}.png").write_bytes(b"x")
    whole = os.fsync
    calls = []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        whole(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(WorldFault, match="space"):
            publish_snapshots(folder, "sky", work)
    assert len(names(folder)) + len(list(work.glob("snapshot-*"))) == 2
    publish_snapshots(folder, "sky", work)
    assert names(folder) == {"sky-0020.png", "sky-0040.png"}


def test_a_finished_render_is_published_with_those_of_its_snapshots_that_are_there(
    folder: JobFolder, work: Path
) -> None:
    (work / "snapshot-000020.png").write_bytes(b"20")
    (work / "snapshot-000040.png").write_bytes(b"40")
    publish_snapshots(folder, "sky", work)
    (folder.path / "sky-0020.png").unlink()  # somebody did not like it
    (work / "result.png").write_bytes(b"result")
    receipt = {"snapshots": [20, 40], "seconds": 3.5}
    publish_finished(folder, 0, "sky", work, receipt)
    manifest = json.loads((folder.path / "result.json").read_text())
    (entry,) = manifest["renders"]
    assert [file["name"] for file in entry["files"]] == ["sky.png", "sky-0040.png"]
    assert entry["receipt"] == receipt
    assert verify_manifest(folder, "sky")
    own = folder.path / "report_files" / "0000-receipt.json"
    assert json.loads(own.read_text()) == entry
    assert (work / "result.png").exists(), "the work folder goes when the ledger knows"


def test_publishing_a_finished_render_twice_changes_nothing(folder: JobFolder, work: Path) -> None:
    (work / "result.png").write_bytes(b"result")
    for _ in range(2):
        publish_finished(folder, 0, "sky", work, {"snapshots": []})
        text = (folder.path / "result.json").read_bytes()
    assert json.loads(text)["renders"][0]["title"] == "sky"
    assert len(json.loads(text)["renders"]) == 1


def test_a_result_that_is_not_there_is_told(folder: JobFolder, work: Path) -> None:
    with pytest.raises(WorldFault, match="expected one result picture, found 0"):
        publish_finished(folder, 0, "sky", work, {"snapshots": []})
    assert not (folder.path / "result.json").exists()


def test_small_copies_move_into_the_pages_folder_under_the_renders_number(
    folder: JobFolder, work: Path
) -> None:
    for render in ("first", "second"):
        copies = work / "previews"
        copies.mkdir(exist_ok=True)
        for name in ("now-small.jpg", "snapshot-000020.jpg", "content-ab.jpg", "style-cd.jpg"):
            (copies / name).write_text(render)
        (copies / f"{TEMPORARY_PREFIX}123-now-small.jpg").write_text("half")
        publish_previews(folder, 0 if render == "first" else 1, work)
    published = {path.name: path.read_text() for path in (folder.path / "report_files").iterdir()}
    assert published == {
        "0000-now-small.jpg": "first",
        "0000-snapshot-000020.jpg": "first",
        "0001-now-small.jpg": "second",
        "0001-snapshot-000020.jpg": "second",
        # Of all renders: the same picture, published once.
        "content-ab.jpg": "first",
        "style-cd.jpg": "first",
    }
    assert [path.name for path in copies.iterdir()] == [f"{TEMPORARY_PREFIX}123-now-small.jpg"]
