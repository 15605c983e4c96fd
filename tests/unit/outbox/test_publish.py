from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atelierd import durable
from atelierd.errors import WorldFault
from atelierd.ledger.rows import JobRow
from atelierd.outbox import publish
from atelierd.outbox.folder import JobFolder
from atelierd.outbox.publish import (
    COURSE_AT_MOST,
    LONGEST_MANIFEST,
    PublishedFile,
    RenderResult,
    listed_files,
    publish_page_file,
    publish_picture,
    publish_result,
    published_file,
    remove_error,
    verify_manifest,
    write_error,
    write_status,
)

AddJob = Callable[..., JobRow]


def finish(folder: JobFolder, index: int, title: str, data: bytes = b"pixels") -> RenderResult:
    file = publish_picture(folder, f"{title}.png", data)
    result = RenderResult(index, title, (file,), {"engine": "torch"})
    publish_result(folder, result)
    return result


def manifest(folder: JobFolder) -> dict[str, object]:
    loaded = json.loads((folder.path / "result.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_a_picture_is_published_with_its_size_and_hash(folder: JobFolder, tmp_path: Path) -> None:
    data = os.urandom(3 * 2**20 + 7)
    (tmp_path / "source.png").write_bytes(data)
    expected = PublishedFile("a.png", len(data), hashlib.sha256(data).hexdigest())
    assert publish_picture(folder, "a.png", tmp_path / "source.png") == expected
    assert publish_picture(folder, "a.png", data) == expected
    assert published_file(folder, "a.png") == expected
    assert (folder.path / "a.png").read_bytes() == data


def test_a_file_that_is_not_there_is_not_described(folder: JobFolder) -> None:
    assert published_file(folder, "a.png") is None


def test_rule_13_a_full_disk_leaves_no_half_picture_and_the_old_one_whole(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_picture(folder, "a.png", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WorldFault, match=r"skyline: .*no space is left there"):
            publish_picture(folder, "a.png", b"new")
    assert (folder.path / "a.png").read_bytes() == b"old"
    assert not [e for e in folder.path.iterdir() if durable.is_temporary(e.name)]


def test_a_picture_whose_name_a_person_gave_to_a_folder_is_a_fault_of_the_world(
    folder: JobFolder,
) -> None:
    (folder.path / "a.png").mkdir()
    with pytest.raises(WorldFault, match="see what lies there under that name"):
        publish_picture(folder, "a.png", b"x")


def test_a_link_put_in_a_pictures_place_is_replaced_and_not_followed(
    folder: JobFolder, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (folder.path / "a.png").symlink_to(victim)
    publish_picture(folder, "a.png", b"x")
    assert victim.read_bytes() == b"precious"
    assert not (folder.path / "a.png").is_symlink()


def test_the_manifest_lists_finished_renders_in_their_order(folder: JobFolder) -> None:
    second = finish(folder, 1, "second")
    finish(folder, 0, "first")
    loaded = manifest(folder)
    assert loaded["job"] == "a1"
    renders = loaded["renders"]
    assert isinstance(renders, list)
    assert [entry["title"] for entry in renders] == ["first", "second"]
    assert renders[1]["files"][0]["sha256"] == second.files[0].sha256
    assert renders[1]["receipt"] == {"engine": "torch"}


def test_a_render_finished_again_is_listed_once(folder: JobFolder) -> None:
    finish(folder, 0, "first")
    finish(folder, 0, "first")
    renders = manifest(folder)["renders"]
    assert isinstance(renders, list)
    assert len(renders) == 1


def test_rule_14_a_render_is_finished_when_its_entry_verifies(folder: JobFolder) -> None:
    assert not verify_manifest(folder, "first")
    finish(folder, 0, "first")
    assert verify_manifest(folder, "first")
    assert not verify_manifest(folder, "second")


@pytest.mark.parametrize("harm", ["deleted", "cut", "changed", "a link"])
def test_rule_14_a_harmed_picture_does_not_verify(
    folder: JobFolder, tmp_path: Path, harm: str
) -> None:
    finish(folder, 0, "first", b"pixels")
    picture = folder.path / "first.png"
    picture.unlink()
    if harm == "cut":
        picture.write_bytes(b"pix")
    elif harm == "changed":
        picture.write_bytes(b"PIXELS")
    elif harm == "a link":
        (tmp_path / "same").write_bytes(b"pixels")
        picture.symlink_to(tmp_path / "same")
    assert not verify_manifest(folder, "first")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[]",
        "null",
        '"renders"',
        '{"job": "a1"}',
        '{"job": "a1", "renders": 7}',
        '{"job": "a1", "renders": [7, {}, {"title": "first"}]}',
        '{"job": "a1", "renders": [{"title": "first", "index": 0, "files": [{"name": "x"}]}]}',
        '{"job": "a1", "renders": [{"title": "first", "index": 0, "files":'
        ' [{"name": "../first.png", "size": 6, "sha256": "0"}]}]}',
        '{"job": "other", "renders": [{"title": "first", "index": 0, "files": []}]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_manifest_verifies_nothing_and_is_written_anew(
    folder: JobFolder, text: str
) -> None:
    (folder.path / "result.json").write_text(text)
    assert not verify_manifest(folder, "first")
    finish(folder, 0, "first")
    assert verify_manifest(folder, "first")


def test_a_manifest_of_a_folder_that_is_gone_does_not_verify(
    folder: JobFolder, tmp_path: Path
) -> None:
    finish(folder, 0, "first")
    folder.path.rename(tmp_path / "elsewhere")
    assert not verify_manifest(folder, "first")


def test_the_reason_of_a_failure_comes_and_goes(folder: JobFolder) -> None:
    write_error(folder, "why\n")
    assert (folder.path / "error.txt").read_text() == "why\n"
    remove_error(folder)
    remove_error(folder)
    assert not (folder.path / "error.txt").exists()


def test_a_jobs_status_is_written_as_json(folder: JobFolder) -> None:
    write_status(folder, {"state": "running"})
    assert json.loads((folder.path / "status.json").read_text()) == {"state": "running"}


_FINISH = """
import sys
from pathlib import Path
from atelierd.outbox import publish
from atelierd.outbox.folder import JobFolder
from atelierd.outbox.publish import RenderResult, publish_picture, publish_result
folder = JobFolder(Path(sys.argv[1]), "skyline", "a1")
file = publish_picture(folder, "first.png", b"pixels")
publish_result(folder, RenderResult(0, "first", (file,), {}))
"""


@pytest.mark.parametrize("step", ["publish.picture", "publish.manifest"])
def test_rule_14_a_kill_after_any_step_is_judged_by_the_manifest(
    outbox: Path, folder: JobFolder, step: str
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _FINISH, str(outbox)],
        env={**os.environ, "ATELIERD_FAILPOINT": step},
        check=False,
    )
    assert killed.returncode == -9
    assert (folder.path / "first.png").read_bytes() == b"pixels"
    assert verify_manifest(folder, "first") == (step == "publish.manifest")
    finish(folder, 0, "first")
    assert verify_manifest(folder, "first")


def test_a_file_of_the_page_goes_into_a_folder_of_its_own(folder: JobFolder) -> None:
    publish_page_file(folder, "0000-now.jpg", b"one")
    publish_page_file(folder, "0000-now.jpg", b"two")
    publish_page_file(folder, "style-1.jpg", b"one", once=True)
    publish_page_file(folder, "style-1.jpg", b"two", once=True)
    files = {path.name: path.read_bytes() for path in (folder.path / "report_files").iterdir()}
    assert files == {"0000-now.jpg": b"two", "style-1.jpg": b"one"}


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_where_something_else_has_the_name_of_that_folder_the_page_does_without(
    folder: JobFolder, tmp_path: Path, kind: str
) -> None:
    theirs, elsewhere = folder.path / "report_files", tmp_path / "elsewhere"
    if kind == "file":
        theirs.write_text("mine")
    else:
        theirs.symlink_to(elsewhere)
        if kind == "link":
            elsewhere.mkdir()
    publish_page_file(folder, "0000-now.jpg", b"x")
    assert not elsewhere.exists() or list(elsewhere.iterdir()) == []
    assert kind != "file" or theirs.read_text() == "mine"


def test_whoever_may_write_to_a_jobs_folder_may_clear_its_pages_files(folder: JobFolder) -> None:
    folder.path.chmod(0o2775)
    publish_page_file(folder, "0000-now.jpg", b"x")
    assert (folder.path / "report_files").stat().st_mode & 0o7777 == 0o2775


def test_the_manifest_of_a_thousand_long_renders_stays_within_what_is_read_of_it(
    folder: JobFolder,
) -> None:
    step = {"width": 32_768, "height": 32_768, "value": 12345678.123456789, "seconds": 123456.789}
    trace = [{"iteration": i, "evaluations": i + 7, **step} for i in range(1, 100_001)]
    file = publish_picture(folder, "a.png", b"pixels")
    result = RenderResult(0, "a", (file,), {"notes": ["long"] * 500, "trace": trace})
    publish_result(folder, result)
    assert 1_000 * (folder.path / "result.json").stat().st_size < LONGEST_MANIFEST
    assert verify_manifest(folder, "a")
    (entry,) = json.loads((folder.path / "result.json").read_text())["renders"]
    told = [one["iteration"] for one in entry["receipt"]["trace"]]
    assert len(told) == COURSE_AT_MOST and told == sorted(set(told))
    assert (told[0], told[-1]) == (1, 100_000)
    assert len(result.receipt["trace"]) == 100_000, "the render's own receipt has them all"


@pytest.mark.parametrize(
    "edit", [{"name": "a\0.png"}, {"name": "\ud800.png"}, {"size": []}, {"sha256": {}}]
)
def test_a_file_in_an_edited_manifest_that_no_disk_has_does_not_count(
    folder: JobFolder, edit: dict[str, object]
) -> None:
    finish(folder, 0, "a")
    edited = manifest(folder)
    edited["renders"][0]["files"][0] |= edit  # type: ignore[index]
    (folder.path / "result.json").write_text(json.dumps(edited))
    assert not verify_manifest(folder, "a")
    assert not set(listed_files(folder.path, folder.job_id))
    finish(folder, 1, "b")
    assert verify_manifest(folder, "b")


def test_what_is_no_text_in_an_edited_manifest_keeps_nothing_from_being_published(
    folder: JobFolder,
) -> None:
    finish(folder, 0, "a")
    edited = manifest(folder)
    edited["renders"][0]["receipt"] = {"engine": "\ud800"}  # type: ignore[index]
    (folder.path / "result.json").write_text(json.dumps(edited))
    finish(folder, 1, "b")
    assert verify_manifest(folder, "a") and verify_manifest(folder, "b")
    assert manifest(folder)["renders"][0] == edited["renders"][0]  # type: ignore[index]


def test_of_however_many_renders_each_stays_in_the_manifest(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "LONGEST_MANIFEST", 100_000)
    trace = [{"iteration": i, "value": 1 / i, "style": 1 / (i + 7)} for i in range(1, 401)]
    for index in range(40):
        title = f"é{index}"
        file = publish_picture(folder, f"{title}.png", b"pixels")
        publish_result(folder, RenderResult(index, title, (file,), {"trace": trace}))
        assert (folder.path / "result.json").stat().st_size <= 100_000
    assert all(verify_manifest(folder, f"é{index}") for index in range(40))
    entries = json.loads((folder.path / "result.json").read_text())["renders"]
    assert [entry["index"] for entry in entries] == list(range(40))
    for entry in entries:
        told = [one["iteration"] for one in entry["receipt"]["trace"]]
        assert (told[0], told[-1]) == (1, 400) and told == sorted(set(told))
    assert len(trace) == 400, "the render's own receipt has them all"


def test_a_course_of_ordinary_length_is_told_whole(folder: JobFolder) -> None:
    trace = [{"iteration": i} for i in range(1, COURSE_AT_MOST + 1)]
    publish_result(folder, RenderResult(0, "a", (), {"trace": trace}))
    (entry,) = json.loads((folder.path / "result.json").read_text())["renders"]
    assert entry["receipt"]["trace"] == trace
