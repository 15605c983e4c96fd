"""Killed while it takes an old folder away: the next daemon goes on, and a person's things stay."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from tests.faults.jobs import MIXED, put_pictures
from tests.faults.yard import Yard

JOBS = ("one.yaml", "matrix.yaml", "bad.yaml")


@pytest.fixture
def old(yard: Yard) -> Yard:
    """A yard whose jobs have finished a year ago."""
    # Else their job files were swept, perhaps before they are shown as they are now.
    yard.configure(work={"keep_inputs": "3650 d"})
    put_pictures(yard)
    for name in JOBS:
        yard.drop(name, MIXED[name])
    yard.drain()
    long_ago = (datetime.now(UTC) - timedelta(days=365)).isoformat(timespec="microseconds")
    with contextlib.closing(sqlite3.connect(yard.state / "ledger.sqlite")) as ledger:
        ledger.execute("UPDATE jobs SET finished_at = ?", (long_ago,))
        ledger.commit()
    # Shown by a daemon as they are now.
    yard.drain()
    yard.configure(work={"keep_inputs": "3650 d"}, retention={"keep_days": 30})
    return yard


def folders(yard: Yard) -> set[str]:
    return {path.parent.name for path in yard.outbox.glob("*/.atelierd-job")}


@pytest.mark.parametrize("point", ["verified", "removed:1", "removed:4", "removed:9", "removed:20"])
def test_killed_while_a_folder_is_removed_the_next_daemon_removes_the_rest(
    old: Yard, point: str
) -> None:
    assert folders(old) == {"one", "matrix", "bad"}
    daemon = old.start(failpoint=f"retention.{point}")
    assert daemon.wait() == -signal.SIGKILL
    daemon = old.start()
    daemon.wait_until(lambda: not folders(old), "that all are gone", timeout=240)
    assert daemon.terminate() == 0
    left = {path.name for path in old.outbox.iterdir() if path.is_dir()}
    assert left <= {"index_files", "reports"}, left
    # What went is told, and not made anew.
    assert daemon.log.count("from the outbox: it finished more than 30 days ago") >= 1
    old.drain()
    assert not folders(old)


def test_killed_or_not_a_folder_with_something_of_a_person_stays_whole(old: Yard) -> None:
    kept = old.outbox / "matrix"
    (kept / "for the exhibition.txt").write_text("the second one, in large")
    before = {path: path.read_bytes() for path in kept.rglob("*.png")}
    assert len(before) >= 4
    old.start(failpoint="retention.removed:3").wait()
    daemon = old.start()
    daemon.wait_until(lambda: folders(old) == {"matrix"}, "that the others are gone")
    daemon.wait_for("matrix stays in the outbox: for the exhibition.txt in it is not as")
    assert daemon.terminate() == 0
    assert {path: path.read_bytes() for path in kept.rglob("*.png")} == before
