"""What people see on a terminal, byte by byte through a pseudo-terminal."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.daemon import PATIENCE, Share, atelierd

pytestmark = [pytest.mark.weights, pytest.mark.slow]

_STEERING = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command on a pseudo-terminal of 120 columns."""

    def __init__(self, share: Share, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.process = subprocess.Popen(
            atelierd(*arguments),
            cwd=share.folder,
            env={**share.environment, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._ours = ours
        self._written = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._ours, 65_536):
                self._written += data
        except OSError:
            pass  # the other end is closed
        os.close(self._ours)

    @property
    def text(self) -> str:
        """Everything that has been written so far, without what steers the terminal."""
        # What is just being written may end in the midst of a character.
        text, _ = codecs.utf_8_decode(_STEERING.sub(b"", self._written))
        return text

    def wait(self) -> int:
        """Return the exit code when the command has ended and all is read."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


@pytest.fixture
def terminal() -> Any:
    """Return a function that runs a command on a terminal; all are ended after the test."""
    terminals: list[Terminal] = []

    def start(share: Share, *arguments: str) -> Terminal:
        terminals.append(Terminal(share, *arguments))
        return terminals[-1]

    yield start
    for one in terminals:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGKILL)
        one.wait()


def test_the_daemon_shows_its_work_below_its_log(
    share: Share, terminal: Callable[..., Terminal]
) -> None:
    share.drop("portrait.yaml", "content: astronaut.png\nstyle: coffee.jpg\niterations: 30\n")
    (share.inbox / "folder.yaml").mkdir()
    daemon = terminal(share, "run", "--drain")
    assert daemon.wait() == 0
    text = daemon.text
    assert "accepted portrait.yaml as" in text
    assert "portrait › astronaut-coffee" in text  # noqa: RUF001
    assert re.search(r"\d+/30 +64 x 64 +[\d,.]+ +[\d.]+ m?s/it +\d:\d\d left", text)
    assert re.search(r"waits +folder.yaml: is a folder", text)
    assert "is done: 30 iterations" in text
    assert "Traceback" not in text


def test_a_log_in_json_has_no_display(share: Share, terminal: Callable[..., Terminal]) -> None:
    daemon = terminal(share, "run", "--drain", "--log", "json")
    assert daemon.wait() == 0
    assert all(line.startswith("{") for line in daemon.text.splitlines())


def test_a_render_shows_a_bar_and_leaves_lines(
    share: Share, terminal: Callable[..., Terminal]
) -> None:
    painting = terminal(
        share,
        *("render", "share/inbox/astronaut.png", "share/inbox/coffee.jpg", "-o", "out", "-n", "8"),
    )
    assert painting.wait() == 0
    text = painting.text
    assert re.search(
        r"astronaut-coffee .*\d/8 +64 x 64 +[\d,.]+ +[\d.]+ m?s/it +\d:\d\d left", text
    )
    assert text.rstrip().endswith("out/astronaut-coffee.png")


def test_ctrl_c_leaves_the_picture_so_far_and_a_terminal_in_order(
    share: Share, terminal: Callable[..., Terminal]
) -> None:
    painting = terminal(
        share,
        *("render", "share/inbox/astronaut.png", "share/inbox/coffee.jpg", "-o", "out"),
        *("-n", "5000", "--set", "snapshots=1"),
    )
    for _ in range(round(PATIENCE / 0.1)):
        if "/5000" in painting.text and "s/it" in painting.text:
            break
        threading.Event().wait(0.1)
    painting.process.send_signal(signal.SIGINT)
    assert painting.wait() == 130
    (picture,) = (share.folder / "out").iterdir()
    assert f"out/{picture.name}" in painting.text
    assert painting._written.count(b"\x1b[?25l") == painting._written.count(b"\x1b[?25h") > 0
