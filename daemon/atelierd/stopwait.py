"""How long a stop waits for what is under way (rule 19)."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import timedelta
from typing import Any

from atelierd.signals import StopSignals

#: How long a stop waits for the iterations under way, all together.
ITERATION_PATIENCE = timedelta(seconds=80)
#: How long it waits for one checkpoint to be written.
CHECKPOINT_PATIENCE = timedelta(minutes=10)
#: How much more time the service manager is asked for meanwhile, and how often.
MORE_TIME = timedelta(seconds=60)
_ASKED_EVERY = timedelta(seconds=5)


class StopWait:
    """Waits for segments that are to be the last; a second signal ends every wait."""

    def __init__(self, signals: StopSignals, ask_for: Callable[[timedelta], None]) -> None:
        """`ask_for` asks the service manager for so much time from now."""
        self._signals = signals
        self._ask_for = ask_for
        self._until: float | None = None

    def for_iteration(self, future: Future[Any]) -> bool:
        """Wait for an iteration, asking once for time, and return whether it is done."""
        if self._until is None:
            # The manager counts from the signal, which was heard at the end of a turn.
            self._ask_for(ITERATION_PATIENCE + MORE_TIME)
            self._until = time.monotonic() + ITERATION_PATIENCE.total_seconds()
        return self._wait(future, self._until)

    def for_checkpoint(self, future: Future[Any]) -> bool:
        """Wait for a checkpoint, asking for time, and return whether it is written."""
        end = time.monotonic() + CHECKPOINT_PATIENCE.total_seconds()
        while not future.done() and not self._signals.now:
            left = end - time.monotonic()
            if left <= 0:
                break
            self._ask_for(MORE_TIME)
            self._wait(future, time.monotonic() + min(left, _ASKED_EVERY.total_seconds()))
        return future.done()

    def _wait(self, future: Future[Any], until: float) -> bool:
        while time.monotonic() < until and not self._signals.now:
            self._signals.log()
            if wait([future], timeout=0.1).done:
                return True
        return future.done()
