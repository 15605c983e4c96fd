from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from atelierd.errors import WorldFault
from atelierd.outbox.cleaning import clean_temporary
from atelierd.outbox.folder import JobFolder

OLD, NOW = 1_000_000, 1_010_000
HOUR = timedelta(hours=1)


def put(path: Path, age: int = OLD) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    os.utime(path, (age, age))
    return path


def test_rule_23_our_old_temporary_files_are_removed_and_nothing_else(
    outbox: Path, folder: JobFolder
) -> None:
    ours = [put(outbox / ".atelierd-tmp-01-status.json"), put(folder.path / ".atelierd-tmp-02-a")]
    kept = [
        put(outbox / ".atelierd-tmp-03-new", NOW - 60),
        put(folder.path / "picture.png"),
        put(folder.path / ".tmp-of-another-program"),
        folder.path / ".atelierd-job",
        outbox / ".atelierd-share",
    ]
    assert sorted(clean_temporary(outbox, HOUR, NOW)) == sorted(ours)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in ours)


def test_rule_23_links_are_neither_followed_nor_removed(outbox: Path, tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere" / ".atelierd-tmp-01-x")
    (outbox / "folder").symlink_to(elsewhere.parent)
    (outbox / ".atelierd-tmp-02-file").symlink_to(elsewhere)
    (outbox / ".atelierd-tmp-03-folder").symlink_to(elsewhere.parent)
    assert clean_temporary(outbox, HOUR, NOW) == []
    assert elsewhere.exists()


def test_a_folder_that_a_kill_left_half_made_is_removed_whole(outbox: Path) -> None:
    staged = outbox / ".atelierd-tmp-a1"
    for name in ("job.original.yaml", ".atelierd-job", ".atelierd-tmp-01-job.original.yaml"):
        put(staged / name)
    os.utime(staged, (OLD, OLD))
    assert staged in clean_temporary(outbox, HOUR, NOW)
    assert not staged.exists()


def test_what_a_person_put_into_a_half_made_folder_stays(outbox: Path) -> None:
    staged = outbox / ".atelierd-tmp-a1"
    theirs = put(staged / "notes.txt")
    os.utime(staged, (OLD, OLD))
    assert clean_temporary(outbox, HOUR, NOW) == []
    assert theirs.exists()


def test_a_folder_that_is_being_made_is_left_alone(outbox: Path) -> None:
    file = put(outbox / ".atelierd-tmp-a1" / "job.original.yaml")
    os.utime(file.parent, (NOW - 5, NOW - 5))
    assert clean_temporary(outbox, HOUR, NOW) == []
    assert file.exists()


def test_a_share_that_is_gone_is_a_fault_of_the_world_or_not_there(tmp_path: Path) -> None:
    with pytest.raises((WorldFault, FileNotFoundError)):
        clean_temporary(tmp_path / "gone", HOUR, NOW)
