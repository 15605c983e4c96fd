import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atelierd.inbox import watch
from atelierd.inbox.readiness import identity_of
from atelierd.inbox.watch import RETRY_SECONDS, InboxWatch

#: Seconds after which an event that has not come counts as lost; it comes within milliseconds.
PATIENCE = 20.0
#: Seconds in which an event that must not come would have come.
QUIET = 0.3


class Watched:
    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.wake = threading.Event()
        self.watch = InboxWatch(inbox, self.wake)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    inbox = tmp_path / "inbox"
    (inbox / "art").mkdir(parents=True)
    watched = Watched(inbox)
    watched.watch.keep(0)
    yield watched
    watched.watch.stop()


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_file_that_is_dropped_wakes_the_scan(watched: Watched) -> None:
    (watched.inbox / "art" / "x.jpg").write_text("x")
    assert watched.wake.wait(PATIENCE)


def test_a_file_in_a_new_folder_wakes_the_scan(watched: Watched) -> None:
    (watched.inbox / "new").mkdir()
    assert watched.wake.wait(PATIENCE)
    watched.wake.clear()
    (watched.inbox / "new" / "x.yaml").write_text("x")
    assert watched.wake.wait(PATIENCE)


def test_neither_reading_nor_ignored_files_nor_our_own_wake_the_scan(watched: Watched) -> None:
    path = watched.inbox / "x.yaml"
    path.write_text("x")
    assert watched.wake.wait(PATIENCE)
    time.sleep(QUIET)
    watched.wake.clear()
    path.read_text()
    list(watched.inbox.iterdir())
    (watched.inbox / "y.jpg.part").write_text("y")
    (watched.inbox / ".atelierd-owner").write_text("me")
    (watched.inbox / ".atelierd" / "taken").mkdir(parents=True)
    path.rename(watched.inbox / ".atelierd" / "taken" / "x.yaml")
    assert not watched.wake.wait(QUIET)


def test_rule_02_a_rename_from_a_temporary_name_is_noted_with_the_files_identity(
    watched: Watched,
) -> None:
    temporary = watched.inbox / "art" / "x.jpg.part"
    temporary.write_text("x")
    path = temporary.rename(watched.inbox / "art" / "x.jpg")
    assert watched.wake.wait(PATIENCE)
    assert watched.watch.take_arrivals() == {"art": {identity_of(path.stat())}}
    assert watched.watch.take_arrivals() == {}


def test_a_rename_between_ordinary_names_is_no_proof(watched: Watched) -> None:
    path = watched.inbox / "x.txt"
    path.write_text("x")
    path.rename(watched.inbox / "x.yaml")
    assert watched.wake.wait(PATIENCE)
    time.sleep(QUIET)
    assert watched.watch.take_arrivals() == {}


def test_rule_06_the_watch_goes_on_with_the_folder_that_takes_the_inboxs_place(
    watched: Watched, tmp_path: Path
) -> None:
    watched.inbox.rename(tmp_path / "away")
    watched.watch.keep(1)
    watched.inbox.mkdir()
    watched.watch.keep(2)
    time.sleep(QUIET)
    watched.wake.clear()
    (watched.inbox / "x.yaml").write_text("x")
    assert watched.wake.wait(PATIENCE)


def test_rule_06_the_watch_survives_the_removal_of_the_inbox(watched: Watched) -> None:
    (watched.inbox / "art").rmdir()
    watched.inbox.rmdir()
    watched.watch.keep(1)
    watched.inbox.mkdir()
    watched.watch.keep(2)
    time.sleep(QUIET)
    watched.wake.clear()
    (watched.inbox / "x.yaml").write_text("x")
    assert watched.wake.wait(PATIENCE)


def test_rule_06_where_the_kernel_has_no_watch_left_the_scan_has_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = 0

    def none_left(*_: object) -> None:
        nonlocal attempts
        attempts += 1
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(watch, "_watching", none_left)
    inbox_watch = InboxWatch(tmp_path, threading.Event())
    for now in (0, 1, RETRY_SECONDS - 1):
        inbox_watch.keep(now)
    assert attempts == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "max_user_watches" in caplog.text
    inbox_watch.keep(RETRY_SECONDS)
    assert attempts == 2
    assert inbox_watch.take_arrivals() == {}


def test_rule_06_an_observer_that_fails_to_start_leaves_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = threading.active_count()
    monkeypatch.setattr("watchdog.observers.inotify.InotifyWatchGroup", fails)
    InboxWatch(tmp_path, threading.Event()).keep(0)
    _until(lambda: threading.active_count() == before)


def test_stopping_ends_all_threads(watched: Watched) -> None:
    watched.watch.stop()
    _until(lambda: not [one for one in threading.enumerate() if "watchdog" in type(one).__module__])
