"""A daemon as a process of its own: started, watched through its log, signaled, killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

#: Seconds between two looks at a log.
_LOOK_EVERY = 0.02


class DaemonProcess:
    """One run of the daemon; its log goes to a file that is looked into."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log_path = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that it has logged so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def code(self) -> int | None:
        """Its exit code; minus the signal's number if one killed it; None while it runs."""
        return self._process.poll()

    def is_alive(self) -> bool:
        return self.code is None

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for its end and return the exit code."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.log}") from None

    def wait_until(self, met: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Wait until `met` says so, while the daemon runs."""
        until = time.monotonic() + timeout
        while not met():
            if time.monotonic() > until:
                raise AssertionError(f"{what}: not within {timeout} s:\n{self.log}")
            if not self.is_alive() and not met():
                raise AssertionError(f"{what}: it ended with {self.code}:\n{self.log}")
            time.sleep(_LOOK_EVERY)

    def wait_for(self, words: str, times: int = 1, timeout: float = 60.0) -> None:
        """Wait until it has logged `words`, so many times."""
        self.wait_until(lambda: self.log.count(words) >= times, repr(words), timeout)

    def workers(self) -> list[psutil.Process]:
        """Return its worker processes: not the helper that multiprocessing starts beside them."""
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.pid).children()
            return [child for child in children if _is_worker(child)]
        return []

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon alone."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the daemon alone, as a power cut would, and wait for its end."""
        self._process.kill()
        self._process.wait()

    def terminate(self, timeout: float = 60.0) -> int:
        """Stop it as a service manager does and return the exit code."""
        self._process.terminate()
        return self.wait(timeout)

    def end(self) -> None:
        """Kill it with everything that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("spawn_main" in word for word in process.cmdline())
    except psutil.Error:
        return False
