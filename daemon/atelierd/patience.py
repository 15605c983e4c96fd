"""Saying so when a share keeps the daemon waiting: a look at a hanging server never comes back.

While a call hangs, the thread that made it can tell nobody. So another one looks at how long the
daemon has been at it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Self

logger = logging.getLogger(__name__)

#: A wait of so long is told, and told again each time that it has doubled.
TOLD_AFTER = timedelta(seconds=10)
_LOOK_EVERY = 1.0


class Patience:
    """Tells `tell` what the daemon waits for, and None when that is over."""

    def __init__(
        self, tell: Callable[[str | None], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`tell` is called from another thread; `clock` gives seconds."""
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._what: str | None = None
        self._since = 0.0
        self._next = 0.0
        self._told = False
        self._thread = threading.Thread(target=self._run, name="patience", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    @contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """Say that the block may have to wait for `what`, words that begin a sentence."""
        with self._lock:
            self._what, self._since = what, self._clock()
            self._next = TOLD_AFTER.total_seconds()
        try:
            yield
        finally:
            with self._lock:
                self._what = None
                waited, told = self._clock() - self._since, self._told
                self._told = False
        if told:
            logger.warning("%s has answered, after %.0f s", what, waited)
            self._tell(None)

    def look(self) -> None:
        """Tell of a wait that has become too long."""
        with self._lock:
            waited = self._clock() - self._since
            if self._what is None or waited < self._next:
                return
            self._next = 2 * waited
            self._told = True
            words = f"{self._what} does not answer, for {waited:.0f} s now; everything waits for it"
        logger.warning("%s", words)
        self._tell(words)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY):
            self.look()
