from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from atelierd import durable
from atelierd.errors import WorldFault
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.outbox.errors import FolderLostError, FolderTakenError
from atelierd.outbox.folder import (
    JobFolder,
    folder_exists,
    names_in,
    open_job_folder,
    opened,
    place_job,
)
from atelierd.outbox.publish import publish_picture

AddJob = Callable[..., JobRow]
JOB_FILE = b"content: skyline.jpg\nstyle: starry.jpg\n"


def test_a_jobs_folder_holds_its_marker_and_the_job_file(folder: JobFolder) -> None:
    names = sorted(entry.name for entry in folder.path.iterdir())
    assert names == [".atelierd-job", "job.original.yaml"]
    assert (folder.path / "job.original.yaml").read_bytes() == JOB_FILE
    assert (folder.path / ".atelierd-job").read_text() == "a1\n"


def test_whoever_may_write_to_the_outbox_may_put_control_files_into_a_jobs_folder(
    outbox: Path, add_job: AddJob
) -> None:
    outbox.chmod(0o2775)
    folder = open_job_folder(outbox, add_job("a1"), JOB_FILE)
    assert folder.path.stat().st_mode & 0o7777 == 0o2775


def test_rule_8_opening_a_folder_again_changes_nothing(
    outbox: Path, ledger: Ledger, folder: JobFolder
) -> None:
    before = (folder.path / "job.original.yaml").stat()
    assert open_job_folder(outbox, ledger.job("a1"), b"something else") == folder
    assert (folder.path / "job.original.yaml").stat() == before


def test_a_folder_that_a_person_deleted_is_made_again(
    outbox: Path, ledger: Ledger, folder: JobFolder
) -> None:
    for entry in folder.path.iterdir():
        entry.unlink()
    folder.path.rmdir()
    with pytest.raises(FolderLostError, match="is not there any more"):
        publish_picture(folder, "a.png", b"x")
    open_job_folder(outbox, ledger.job("a1"), JOB_FILE)
    publish_picture(folder, "a.png", b"x")
    assert (folder.path / "a.png").read_bytes() == b"x"


def test_a_job_file_that_a_person_deleted_is_put_back(
    outbox: Path, ledger: Ledger, folder: JobFolder
) -> None:
    (folder.path / "job.original.yaml").unlink()
    open_job_folder(outbox, ledger.job("a1"), JOB_FILE)
    assert (folder.path / "job.original.yaml").read_bytes() == JOB_FILE


@pytest.mark.parametrize("kind", ["empty folder", "full folder", "file", "link", "dangling link"])
def test_rule_9_what_is_not_the_jobs_is_never_taken_over(
    outbox: Path, tmp_path: Path, ledger: Ledger, add_job: AddJob, kind: str
) -> None:
    theirs = outbox / "skyline"
    elsewhere = tmp_path / "elsewhere"
    if kind == "file":
        theirs.write_text("mine")
    elif kind.endswith("link"):
        if kind == "link":
            elsewhere.mkdir()
        theirs.symlink_to(elsewhere)
    else:
        theirs.mkdir()
        if kind == "full folder":
            (theirs / "job.original.yaml").write_text("mine")
    job = add_job("a1")
    with pytest.raises(FolderTakenError, match="is not this job's folder"):
        open_job_folder(outbox, job, JOB_FILE)
    folder = place_job(outbox, ledger, job, JOB_FILE)
    assert folder.name == ledger.job("a1").folder == "skyline-2"
    assert (folder.path / "job.original.yaml").read_bytes() == JOB_FILE
    if kind == "full folder":
        assert (theirs / "job.original.yaml").read_text() == "mine"
    if kind == "link":
        assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("kind", ["full folder", "file"])
def test_rule_9_what_appears_while_the_folder_is_being_made_is_left_alone(
    outbox: Path, ledger: Ledger, add_job: AddJob, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    job = add_job("a1")
    theirs = outbox / "skyline"
    write_text = durable.write_text

    def slowly(target: Path, text: str) -> None:
        write_text(target, text)
        if kind == "file":
            theirs.write_text("mine")
        else:
            theirs.mkdir(exist_ok=True)
            (theirs / "note.txt").write_text("mine")

    monkeypatch.setattr(durable, "write_text", slowly)
    folder = place_job(outbox, ledger, job, JOB_FILE)
    assert folder.name == "skyline-2"
    assert (theirs if kind == "file" else theirs / "note.txt").read_text() == "mine"
    assert not list(outbox.glob(f"{durable.TEMPORARY_PREFIX}*"))


def test_rule_9_another_jobs_folder_is_not_written_to(outbox: Path, folder: JobFolder) -> None:
    other = JobFolder(outbox, folder.name, "a2")
    with pytest.raises(FolderLostError, match="not the folder of job a2"):
        publish_picture(other, "a.png", b"x")


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_marker_that_is_no_regular_file_proves_nothing_and_blocks_nothing(
    folder: JobFolder, tmp_path: Path, kind: str
) -> None:
    marker = folder.path / ".atelierd-job"
    marker.rename(tmp_path / "marker")
    if kind == "link":
        marker.symlink_to(tmp_path / "marker")
    elif kind == "fifo":
        os.mkfifo(marker)
    else:
        marker.mkdir()
    with pytest.raises(FolderLostError):
        publish_picture(folder, "a.png", b"x")


def test_a_folder_swapped_for_a_link_while_it_is_open_is_not_followed(
    folder: JobFolder, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with opened(folder) as here:
        moved = folder.path.rename(tmp_path / "moved")
        folder.path.symlink_to(elsewhere)
        durable.write_bytes(here / "a.png", b"x")
    assert (moved / "a.png").read_bytes() == b"x"
    assert list(elsewhere.iterdir()) == []


def test_rule_11_nothing_is_made_on_a_mount_point_whose_share_is_gone(
    outbox: Path, add_job: AddJob, tmp_path: Path
) -> None:
    outbox.rename(tmp_path / "the share")
    outbox.mkdir()
    with pytest.raises(WorldFault, match="is the share mounted"):
        open_job_folder(outbox, add_job("a1"), JOB_FILE)
    assert list(outbox.iterdir()) == []


def test_rule_11_a_share_that_goes_while_a_job_is_open_pauses_the_queue(
    outbox: Path, folder: JobFolder, tmp_path: Path
) -> None:
    outbox.rename(tmp_path / "the share")
    with pytest.raises(WorldFault, match="is not there"):
        publish_picture(folder, "a.png", b"x")
    (tmp_path / "the share").rename(outbox)
    publish_picture(folder, "a.png", b"x")


_OPEN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from atelierd.ledger import Ledger
from atelierd.outbox.folder import place_job
ledger = Ledger.open(Path(sys.argv[1]))
place_job(Path(sys.argv[2]), ledger, ledger.job("a1"), b"content: a.jpg")
"""


@pytest.mark.parametrize("step", ["folder.staged", "folder.made"])
def test_rule_8_a_kill_while_the_folder_is_made_leaves_one_folder_in_the_end(
    outbox: Path, ledger: Ledger, add_job: AddJob, tmp_path: Path, step: str
) -> None:
    job = add_job("a1")
    killed = subprocess.run(
        [sys.executable, "-c", _OPEN, str(tmp_path / "ledger.sqlite"), str(outbox)],
        env={**os.environ, "ATELIERD_FAILPOINT": step},
        check=False,
    )
    assert killed.returncode == -9
    assert (outbox / "skyline").exists() == (step == "folder.made")
    place_job(outbox, ledger, job, JOB_FILE)
    assert sorted(entry.name for entry in outbox.iterdir()) == [".atelierd-share", "skyline"]


@pytest.mark.parametrize("name", ["index.html", "Index_Files", "STATUS.json"])
def test_rule_9_a_job_named_like_a_file_of_the_outbox_gets_another_folder(
    outbox: Path, name: str
) -> None:
    assert folder_exists(outbox, name)
    assert not folder_exists(outbox, f"{name}-2")


def test_names_are_those_that_were_written_even_where_accents_are_taken_apart(
    tmp_path: Path,
) -> None:
    (tmp_path / unicodedata.normalize("NFD", "grün.png")).touch()
    (tmp_path / "夜景.png").touch()
    assert names_in(tmp_path) == {unicodedata.normalize("NFC", "grün.png"), "夜景.png"}
