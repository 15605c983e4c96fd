"""A changed configuration, taken up while the daemon runs."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import ConfigError, WorldFault
from atelierd.reloading import AT_ONCE, Reloader, change_of
from atelierd.settings import Settings
from atelierd.signals import ReloadSignal


def settings(**values: Any) -> Settings:
    folders = {"inbox": "/srv/in", "outbox": "/srv/out", "state": "/var/state"}
    return Settings.model_validate({**folders, **values})


def test_what_may_change_is_taken_up_and_the_rest_stays() -> None:
    old = settings(work={"segment": "2 s", "device": "cpu"}, http={"address": "127.0.0.1:80"})
    new = settings(
        inbox="/srv/other",
        share={"settle": "5 s", "free_space": 7},
        work={"segment": "3 s", "attempts": 9, "device": "cuda", "threads": 4},
        morning_report="06:30",
        max_renders=5,
        log="json",
        http={"address": "127.0.0.1:81"},
        notify={"webhooks": [{"url": "http://127.0.0.1/x"}]},
    )
    change = change_of(old, new)
    assert change.settings == settings(
        share={"settle": "5 s", "free_space": 7},
        work={"segment": "3 s", "attempts": 9, "device": "cpu"},
        morning_report="06:30",
        max_renders=5,
        log="json",
        http={"address": "127.0.0.1:80"},
        notify={"webhooks": [{"url": "http://127.0.0.1/x"}]},
    )
    assert change.later == ("inbox", "work.device", "work.threads", "http.address")
    assert set(change.now) == {
        *("share.settle", "share.free_space", "work.segment", "work.attempts"),
        *("notify.webhooks", "morning_report", "max_renders", "log"),
    }


def test_the_same_again_changes_nothing_and_what_waits_for_a_restart_is_told_each_time() -> None:
    old, new = settings(), settings(work={"device": "cpu"})
    assert change_of(old, settings()).now == change_of(old, settings()).later == ()
    first = change_of(old, new)
    assert first.settings == old
    assert change_of(first.settings, new).later == ("work.device",)


def test_every_key_that_takes_effect_at_once_is_a_setting() -> None:
    for key in AT_ONCE:
        section, _, name = key.partition(".")
        field = getattr(settings(), section)
        assert not name or hasattr(field, name)


class Daemon:
    """What a reload asks of a daemon."""

    def __init__(self) -> None:
        self.settings = settings()
        self.file: Settings | Exception = settings()
        self.failing: Exception | None = None
        self.signal = ReloadSignal(lambda: None)
        self.reloader = Reloader(self.signal, self.read, self.adopt)

    def read(self) -> Settings:
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    def adopt(self, new: Settings) -> None:
        if self.failing is not None:
            raise self.failing
        self.settings = new

    def hang_up(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        self.turn()

    def turn(self) -> None:
        self.reloader.turn(self.settings)


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    # Tests may be run in a terminal.
    monkeypatch.setattr("os.isatty", lambda _: False)
    one = Daemon()
    with one.signal.caught():
        yield one


def test_nothing_is_read_before_the_signal_comes(daemon: Daemon) -> None:
    daemon.file = settings(max_renders=5)
    daemon.turn()
    assert daemon.settings.max_renders == 1000
    daemon.hang_up()
    assert daemon.settings.max_renders == 5
    daemon.file = settings(max_renders=6)
    daemon.turn()
    assert daemon.settings.max_renders == 5


def test_a_broken_file_is_told_and_changes_nothing_until_it_is_mended(
    daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.file = ConfigError("atelierd.yaml, line 3: share.setle: unknown key")
    daemon.hang_up()
    assert daemon.settings == settings()
    faults = [daemon.reloader.fault]
    assert faults == ["atelierd.yaml, line 3: share.setle: unknown key"]
    assert "the daemon goes on as before: atelierd.yaml, line 3" in caplog.text
    daemon.file = settings(morning_report="05:00")
    daemon.hang_up()
    assert daemon.reloader.fault is None
    assert daemon.settings.morning_report == time(5)


def test_what_takes_a_restart_is_told_in_words(
    daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.file = settings(work={"device": "cpu", "hang_after": "1 h"})
    with caplog.at_level("INFO", "atelierd"):
        daemon.hang_up()
    assert daemon.settings.work.hang_after == timedelta(hours=1)
    assert daemon.settings.work.device == settings().work.device
    assert "changed: work.hang_after" in caplog.text
    assert "work.device: changed in the configuration, too, but taken up only by a" in caplog.text


def test_a_reload_that_meets_a_full_disk_is_done_when_there_is_room(daemon: Daemon) -> None:
    daemon.file, daemon.failing = settings(max_renders=5), WorldFault("the disk is full")
    with pytest.raises(WorldFault):
        daemon.hang_up()
    daemon.failing = None
    daemon.turn()
    assert daemon.settings.max_renders == 5


def test_the_service_manager_hears_of_the_reload_and_of_its_end(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        daemon.file = ConfigError("broken")
        daemon.hang_up()
        began, ended = manager.recv(1000).decode(), manager.recv(1000).decode()
    words, moment = began.split("\n")
    assert (words, ended) == ("RELOADING=1", "READY=1")
    assert moment.startswith("MONOTONIC_USEC=") and int(moment.partition("=")[2]) > 0


_IN_TERMINAL = """
import os, signal
from atelierd.signals import ReloadSignal, StopSignals
stop, reload = StopSignals(lambda: None), ReloadSignal(lambda: None)
with stop.caught(), reload.caught():
    os.kill(os.getpid(), signal.SIGHUP)
print(stop.stop, reload.take())
"""


@pytest.mark.parametrize(("in_terminal", "said"), [(True, "True False"), (False, "False True")])
def test_a_hang_up_of_a_terminal_is_a_stop(in_terminal: bool, said: str) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _IN_TERMINAL],
            stdin=theirs if in_terminal else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout.strip() == said
