"""Telling open pages at once what has changed: the scripts that a page refreshes itself from, sent.

A page that was opened from a disk asks for its script again and again; one that came over HTTP is
sent what the script would say, as soon as the daemon has written another one, by server-sent
events. Each script is looked at once, however many pages follow it, and only the newest is kept, so
that a slow reader costs nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from atelierd.errors import WorldFault

#: How often a script is looked at.
LOOK_EVERY = timedelta(milliseconds=250)
#: After how long without news a follower is sent a line that says nothing: that finds who is gone.
HEARTBEAT = timedelta(seconds=15)
#: Followers at one time.
MOST = 100
#: Milliseconds after which a browser that lost its connection tries again.
_RETRY = 2000

_SCRIPT = re.compile(rb"atelierd\.([a-z]+)\(([^\r\n]*)\);\n?")
_NOTHING = b": nothing new\n\n"


@dataclass(frozen=True)
class Seen:
    """A script as it was found: what tells it from others, and what it says."""

    tag: str
    text: bytes


#: Returns a script, or None if that is the one whose tag is given; raises WorldFault. One that is
#: not there is another one without text.
Look = Callable[[str, str], Awaitable[Seen | None]]


@dataclass
class _Watch:
    event: bytes = b""
    version: int = 0
    followers: int = 0
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    task: asyncio.Task[None] | None = None


class TooManyError(Exception):
    """More followers than can be served."""


class Followers:
    """All followers of all scripts, on one event loop."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._watches: dict[str, _Watch] = {}
        self._count = 0
        self._closed = False

    def follow(self, path: str) -> AsyncIterator[bytes]:
        """Return what a follower of the script at `path` is sent; it ends with `close`.

        Raises TooManyError.
        """
        if self._count >= MOST or self._closed:
            raise TooManyError
        return self._events(path)

    async def close(self) -> None:
        """End all of it."""
        self._closed = True
        for watch in self._watches.values():
            async with watch.news:
                watch.news.notify_all()

    async def _events(self, path: str) -> AsyncIterator[bytes]:
        watch = self._watches.setdefault(path, _Watch())
        watch.followers += 1
        self._count += 1
        if watch.task is None:
            watch.task = asyncio.create_task(self._keep_looking(path, watch))
        known = 0
        try:
            yield b"retry: %d\n\n" % _RETRY
            while not self._closed:
                await self._wait(watch, known)
                if watch.version == known:
                    yield _NOTHING
                else:
                    known = watch.version
                    yield watch.event
        finally:
            watch.followers -= 1
            self._count -= 1
            if not watch.followers:
                watch.task.cancel()
                self._watches.pop(path, None)

    async def _wait(self, watch: _Watch, known: int) -> None:
        """Return when there is news, or there has been none for long, or it is over."""
        try:
            async with asyncio.timeout(HEARTBEAT.total_seconds()), watch.news:
                await watch.news.wait_for(lambda: self._closed or watch.version != known)
        except TimeoutError:
            pass

    async def _keep_looking(self, path: str, watch: _Watch) -> None:
        tag = ""
        while True:
            try:
                seen = await self._look(path, tag)
            except (WorldFault, OSError):
                # The page says by itself that it has heard nothing for long.
                seen = None
            if seen is not None:
                tag = seen.tag
                event = event_of(seen.text)
                if event is not None:
                    async with watch.news:
                        watch.event, watch.version = event, watch.version + 1
                        watch.news.notify_all()
            await asyncio.sleep(LOOK_EVERY.total_seconds())


def event_of(script: bytes) -> bytes | None:
    """Return the event that says what `script` says; None if it is no script of atelierd's.

    Its name is the function that the script calls, its data the JSON that it calls it with. A line
    break in there would end the event, and begin one of a stranger's.
    """
    found = _SCRIPT.fullmatch(script)
    return None if found is None else b"event: %b\ndata: %b\n\n" % (found[1], found[2])
