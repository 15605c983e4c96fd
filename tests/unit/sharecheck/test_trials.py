"""The trials on a disk of this machine, and on one that a test makes worse."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atelierd.durable import is_temporary
from atelierd.housekeeping import TEMPORARY_AGE
from atelierd.jobs.ignored import is_ignored
from atelierd.outbox.cleaning import clean_temporary
from atelierd.sharecheck import trials
from atelierd.sharecheck.ground import Ground, ground_in
from atelierd.sharecheck.lag import OtherWayError, measure_lag


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    (tmp_path / "theirs.png").write_bytes(b"theirs")
    with ground_in(tmp_path) as ground:
        yield ground
    # Whatever was tried, only what was there before is left.
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.png"]


def test_a_disk_does_what_a_disk_does(ground: Ground) -> None:
    found = trials.renames(ground)
    assert (found.over_existing, found.between_folders, found.gaps) == (True, True, 0)
    synced = trials.syncs(ground)
    assert synced.file_refused is None
    assert synced.seconds > 0
    assert trials.events(ground).delay is not None
    assert trials.room(ground.within).free > 0
    pace = trials.pace(ground)
    assert pace.whole
    assert trials.names(ground).longest <= 255
    assert trials.scan(ground.within).names >= 1


def test_everything_has_a_name_that_a_daemon_passes_over(ground: Ground) -> None:
    trials.names(ground)
    names = [ground.path.name, *(path.name for path in ground.path.iterdir())]
    assert len(names) > 3
    for name in names:
        assert is_ignored(name)
        assert is_temporary(name)


def test_what_a_kill_leaves_the_daemon_removes_after_a_day(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    trials.names(ground)
    os.close(ground.descriptor)
    before = ground.path.stat().st_mtime
    clean_temporary(tmp_path, older_than=TEMPORARY_AGE, now=before + 3600)
    assert ground.path.exists()
    for path in ground.path.iterdir():
        os.utime(path, (before, before))
    clean_temporary(tmp_path, older_than=TEMPORARY_AGE, now=before + 2 * 86_400)
    assert not list(tmp_path.iterdir())


def test_a_link_put_in_the_way_is_neither_followed_nor_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "photo.png").write_bytes(b"theirs")
    folder = tmp_path / "inbox"
    folder.mkdir()
    ground = Ground(folder)
    ground.path.rename(folder / "elsewhere")
    ground.path.symlink_to(theirs)
    ground.create("file", b"x")
    with pytest.raises(OSError):
        ground.end()
    assert (theirs / "photo.png").read_bytes() == b"theirs"
    assert [path.name for path in theirs.iterdir()] == ["photo.png"]


def test_a_clock_that_is_wrong_and_times_that_are_coarse_are_told(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trials.times(ground).ahead == 0
    ground.remove("clock")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 90)
    found = trials.times(ground)
    assert 80 < found.ahead < 100
    monkeypatch.setattr(time, "time", lambda: now() + 90)
    ground.remove("clock")
    assert -100 < trials.times(ground).ahead < -80


def test_a_folder_that_cannot_be_synced_is_told(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def refuse_folder(descriptor: int) -> None:
        if descriptor == ground.descriptor:
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folder)
    found = trials.syncs(ground)
    assert found.file_refused is None
    assert found.folder_refused == "Invalid argument"


def test_a_rename_that_is_none_is_seen_by_the_reader(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, seen = threading.Event(), threading.Event()
    read = ground.read

    def reading(name: str) -> bytes:
        looking.set()
        try:
            return read(name)
        except OSError:
            seen.set()
            raise

    def in_two_steps(old: str, new: str) -> None:
        if ground.exists(new):
            ground.remove(new)
            if looking.is_set():
                # The reader has all the time that it needs.
                seen.wait(10)
        os.rename(
            ground.name(old),
            ground.name(new),
            src_dir_fd=ground.descriptor,
            dst_dir_fd=ground.descriptor,
        )

    monkeypatch.setattr(ground, "read", reading)
    monkeypatch.setattr(ground, "rename", in_two_steps)
    assert trials.renames(ground).gaps > 0


def test_another_folder_is_no_other_way(ground: Ground, tmp_path_factory: Any) -> None:
    with pytest.raises(OtherWayError, match="no other way"):
        measure_lag(ground, tmp_path_factory.mktemp("other"), patience=0.2)
    with pytest.raises(OtherWayError, match="the same mount"):
        measure_lag(ground, ground.within, patience=0.2)
