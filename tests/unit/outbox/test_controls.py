from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from atelierd.errors import WorldFault
from atelierd.ledger.rows import JobRow
from atelierd.ledger.states import Action
from atelierd.outbox.controls import RELIST, SETTLE, ControlScanner, action_of
from atelierd.outbox.errors import FolderLostError
from atelierd.outbox.folder import JobFolder, open_job_folder

AddJob = Callable[..., JobRow]


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time.total_seconds() + 1


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def scanner(seconds: Seconds) -> ControlScanner:
    return ControlScanner(seconds)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("cancel", Action.CANCEL),
        ("Hold", Action.HOLD),
        ("RELEASE.TXT", Action.RELEASE),
        ("retry.txt", Action.RETRY),
        ("retry.txt.txt", Action.RETRY),
        ("cancelled", None),
        ("cancel.yaml", None),
        ("answer.txt", None),
        ("error.txt", None),
        ("retry\n", None),
    ],
)
def test_a_control_files_name_says_what_it_asks_for(name: str, action: Action | None) -> None:
    assert action_of(name) is action


def test_control_files_are_found_the_oldest_first(
    folder: JobFolder, scanner: ControlScanner
) -> None:
    (folder.path / "Hold.txt").touch()
    (folder.path / "cancel").touch()
    os.utime(folder.path / "cancel", ns=(1, 1))
    found = scanner.scan([folder])
    assert [(one.folder, one.action, one.name) for one in found] == [
        (folder, Action.CANCEL, "cancel"),
        (folder, Action.HOLD, "Hold.txt"),
    ]


def test_an_answered_control_file_is_replaced_by_its_answer(
    folder: JobFolder, scanner: ControlScanner
) -> None:
    (folder.path / "hold").touch()
    (control,) = scanner.scan([folder])
    scanner.answer(control, "skyline is held; put a file called release here to go on")
    assert not (folder.path / "hold").exists()
    assert (folder.path / "answer.txt").read_text().startswith("hold: skyline is held; ")
    assert scanner.scan([folder]) == []


def test_a_control_file_is_found_until_it_is_answered(
    folder: JobFolder, scanner: ControlScanner, seconds: Seconds
) -> None:
    (folder.path / "hold").touch()
    for _ in range(3):
        assert len(scanner.scan([folder])) == 1
        seconds.pass_by(SETTLE)


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_only_regular_files_are_obeyed(
    folder: JobFolder, scanner: ControlScanner, tmp_path: Path, kind: str
) -> None:
    control = folder.path / "cancel"
    if kind == "link":
        (tmp_path / "real").touch()
        control.symlink_to(tmp_path / "real")
    elif kind == "fifo":
        os.mkfifo(control)
    else:
        control.mkdir()
    assert scanner.scan([folder]) == []


def test_a_folder_behind_a_link_is_not_looked_into(
    outbox: Path, folder: JobFolder, scanner: ControlScanner, tmp_path: Path
) -> None:
    moved = folder.path.rename(tmp_path / "moved")
    (moved / "cancel").touch()
    folder.path.symlink_to(moved)
    assert scanner.scan([folder]) == []


def test_folders_that_are_gone_or_replaced_do_not_hide_the_others(
    outbox: Path, folder: JobFolder, scanner: ControlScanner
) -> None:
    (outbox / "a file").touch()
    (folder.path / "cancel").touch()
    folders = [JobFolder(outbox, "gone", "x"), JobFolder(outbox, "a file", "y"), folder]
    assert [control.folder for control in scanner.scan(folders)] == [folder]


def test_an_unchanged_folder_is_not_listed_again_before_long(
    folder: JobFolder,
    scanner: ControlScanner,
    seconds: Seconds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scanner.scan([folder])
    seconds.pass_by(SETTLE)
    scanner.scan([folder])
    listed: list[int] = []
    scandir = os.scandir

    def counted(folder: int) -> object:
        listed.append(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", counted)
    scanner.scan([folder])
    assert len(listed) == 0
    seconds.pass_by(RELIST)
    scanner.scan([folder])
    assert len(listed) == 1


def test_a_file_that_came_within_the_clocks_grain_is_still_found(
    folder: JobFolder, scanner: ControlScanner, seconds: Seconds
) -> None:
    scanner.scan([folder])
    before = folder.path.stat()
    (folder.path / "cancel").touch()
    os.utime(folder.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(scanner.scan([folder])) == 1


def test_a_file_that_cannot_be_deleted_is_obeyed_once(
    folder: JobFolder, scanner: ControlScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.path / "retry").touch()
    (control,) = scanner.scan([folder])

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        scanner.answer(control, "skyline is queued")
    assert scanner.scan([folder]) == []
    (folder.path / "retry").unlink()
    (folder.path / "retry").touch()
    assert len(scanner.scan([folder])) == 1


def test_a_control_file_that_was_taken_away_meanwhile_does_no_harm(
    folder: JobFolder, scanner: ControlScanner
) -> None:
    (folder.path / "hold").touch()
    (control,) = scanner.scan([folder])
    (folder.path / "hold").unlink()
    scanner.answer(control, "skyline is held")


def test_nothing_is_answered_into_a_folder_that_is_not_the_jobs(
    outbox: Path, add_job: AddJob, scanner: ControlScanner
) -> None:
    open_job_folder(outbox, add_job("a1"), b"")
    other = JobFolder(outbox, "skyline", "a2")
    (other.path / "cancel").touch()
    (control,) = scanner.scan([other])
    with pytest.raises(FolderLostError):
        scanner.answer(control, "done")
    assert not (other.path / "answer.txt").exists()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EIO, "reports an error"),
        (errno.EUCLEAN, "Structure needs cleaning"),
        (errno.EKEYEXPIRED, "Key has expired"),
    ],
)
def test_a_share_that_fails_is_a_fault_of_the_world(
    folder: JobFolder,
    scanner: ControlScanner,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    words: str,
) -> None:
    def broken(path: Path) -> os.stat_result:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "lstat", broken)
    with pytest.raises(WorldFault, match=words):
        scanner.scan([folder])


def test_a_share_that_fails_between_the_answer_and_the_deletion_is_a_fault_of_the_world(
    folder: JobFolder, scanner: ControlScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.path / "cancel").touch()
    (control,) = scanner.scan([folder])

    def stale(path: Path) -> os.stat_result:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", stale)
        with pytest.raises(WorldFault, match="not connected"):
            scanner.answer(control, "skyline is cancelled")
    assert len(scanner.scan([folder])) == 1, "it is answered again"
