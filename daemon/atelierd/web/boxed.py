"""Calls that a hanging share may keep for ever, made so that no request and no stop waits for them.

Each runs in a thread of its own that the process ends without: a thread pool would be joined.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from atelierd.errors import WorldFault

T = TypeVar("T")

#: How long an answer may take.
PATIENCE = timedelta(seconds=10)
#: Calls at one time, those among them that hang.
MOST = 32


def _kept(_: object) -> None:
    """Leave what nobody waits for to the garbage collection."""


class Boxes:
    """Runs calls in threads, a limited number of them, for one event loop."""

    def __init__(self, patience: timedelta = PATIENCE, most: int = MOST) -> None:
        self._patience = patience.total_seconds()
        self._free = asyncio.Semaphore(most)
        self._awaited: set[asyncio.Future[Any]] = set()

    async def run(self, work: Callable[[], T], unwanted: Callable[[T], object] = _kept) -> T:
        """Return what `work` returns, raise what it raises.

        Raises WorldFault if that takes too long: then the call goes on, and what it returns is
        `unwanted`, as it is where the task that asked has been cancelled meanwhile.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(tell: Callable[[], None], drop: Callable[[], object]) -> None:
            self._free.release()
            (drop if answer.done() else tell)()

        def run() -> None:
            tell: Callable[[], None]
            drop: Callable[[], object]
            try:
                result = work()
                tell, drop = partial(answer.set_result, result), partial(unwanted, result)
            except BaseException as error:  # noqa: BLE001 - handed to the task that asked
                tell, drop = partial(answer.set_exception, error), partial(_kept, None)
            try:
                loop.call_soon_threadsafe(settle, tell, drop)
            except RuntimeError:
                # The loop has ended meanwhile.
                drop()

        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
                threading.Thread(target=run, name="web-call", daemon=True).start()
                self._awaited.add(answer)
                return await answer
        except TimeoutError as error:
            raise WorldFault(
                f"the share has not answered for {self._patience:.0f} s; is its server up?"
            ) from error
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                unwanted(answer.result())
            raise
        finally:
            self._awaited.discard(answer)

    def close(self) -> None:
        """Tell all who wait for an answer that there will be none."""
        for answer in self._awaited:
            if not answer.done():
                answer.set_exception(WorldFault("the server is being stopped"))
