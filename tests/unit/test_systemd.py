import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from atelierd.systemd import is_asked, notify, watchdog_period


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager's end of the protocol."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield receiver


def test_the_manager_hears_when_it_is_ready_what_it_does_and_when_it_stops(
    manager: socket.socket,
) -> None:
    notify(ready=True)
    notify(status="waits: the disk is full\nand more")
    notify(status="")
    notify(stopping=True)
    heard = [manager.recv(1000).decode() for _ in range(4)]
    assert heard == ["READY=1", "STATUS=waits: the disk is full", "STATUS=", "STOPPING=1"]


def test_without_a_manager_or_with_one_that_is_gone_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify(ready=True)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify(ready=True)


def test_the_manager_hears_that_it_lives_and_for_how_long_it_needs_more_time(
    manager: socket.socket,
) -> None:
    assert is_asked()
    notify(alive=True)
    notify(more_time=timedelta(seconds=90))
    assert [manager.recv(1000).decode() for _ in range(2)] == [
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=90000000",
    ]


@pytest.mark.parametrize(
    ("period", "process", "expected"),
    [
        ("30000000", "", timedelta(seconds=30)),
        ("30000000", str(os.getpid()), timedelta(seconds=30)),
        ("30000000", "1", None),
        ("0", "", None),
        ("", "", None),
        ("soon", "", None),
    ],
    ids=["any", "this", "another", "none", "empty", "no number"],
)
def test_the_watchdog_is_the_one_that_asks_this_process(
    monkeypatch: pytest.MonkeyPatch, period: str, process: str, expected: timedelta | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", period)
    monkeypatch.setenv("WATCHDOG_PID", process)
    assert watchdog_period() == expected
