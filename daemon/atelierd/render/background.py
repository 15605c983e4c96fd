"""Writing while the next iterations run: one thread, in order, with nothing lost of what fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

logger = logging.getLogger(__name__)

#: Pieces of work that may wait: each holds a picture in memory.
MOST_WAITING = 3


class Background:
    """Does what it is given, one after the other, in a thread of its own.

    What goes wrong is raised by the next `wait`: whoever relies on something being done waits
    first.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._begun: list[Future[None]] = []

    def do(self, work: Callable[[], None]) -> None:
        """Have `work` done soon; with MOST_WAITING before it, wait for the first of these.

        Raises what that one has raised.
        """
        while len(self._begun) >= MOST_WAITING:
            self._begun.pop(0).result()
        self._begun.append(self._thread.submit(work))

    def wait(self) -> None:
        """Return when everything is done. Raises what the first of it that failed has raised."""
        begun, self._begun = self._begun, []
        for one in begun:
            one.result()

    def close(self) -> None:
        """End the thread when it has done what it was given; what fails now is only logged."""
        self._thread.shutdown()
        for one in self._begun:
            if error := one.exception():
                logger.warning("a picture was not written: %s", error)
        self._begun = []
