"""Being told to stop, and being woken: what a signal handler may safely do.

A handler runs in the middle of whatever the main thread does. It must take no lock, or it may wait
for the very call that it interrupts; so it counts, and puts into a queue made for that.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType

logger = logging.getLogger(__name__)


def _stop_signals() -> tuple[signal.Signals, ...]:
    """Return what tells this process to stop: a hang-up only where it means a lost terminal."""
    at_terminal = (signal.SIGHUP,) if os.isatty(0) else ()
    return (signal.SIGTERM, signal.SIGINT, *at_terminal)


class Wake:
    """Ends the loop's sleep; `set` may be called from any thread and from a signal handler."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """End the sleep, or the next one if there is none now."""
        self._calls.put(None)

    def clear(self) -> None:
        """Forget the calls so far."""
        with suppress(Empty):
            while True:
                self._calls.get_nowait()

    def wait(self, seconds: float) -> None:
        """Sleep until a call comes, at most for so long."""
        with suppress(Empty):
            self._calls.get(timeout=seconds)


class ReloadSignal:
    """Notes that SIGHUP came: the configuration is to be read again.

    In a terminal it does not: there the signal says that the terminal is gone, which is a stop.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called in the handler."""
        self._wake = wake
        self._came = self._heard = 0

    def take(self) -> bool:
        """Return whether it came since this was asked last."""
        came = self._came
        heard, self._heard = self._heard, came
        return came > heard

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signal during the block."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self._came += 1
            self._wake()

        if signal.SIGHUP in _stop_signals():
            yield
            return
        before = signal.signal(signal.SIGHUP, on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)


class StopSignals:
    """Counts how often SIGTERM or SIGINT came: once is stop soon, twice is now (rule 19)."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called in the handler."""
        self._wake = wake
        self._came = self._heard = 0

    @property
    def stop(self) -> bool:
        """Whether to stop at the next iteration."""
        return self._came > 0

    @property
    def now(self) -> bool:
        """Whether to stop at once."""
        return self._came > 1

    def log(self) -> None:
        """Log what came since the last call; a handler may not."""
        if self._heard < self._came:
            self._heard = self._came
            how = "now" if self.now else "at the next iteration; told once more, it stops now"
            logger.info("told to stop: stopping %s", how)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals during the block."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self._came += 1
            self._wake()

        before = {number: signal.signal(number, on_signal) for number in _stop_signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
