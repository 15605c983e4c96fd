"""File events from the inbox: they shorten the wait, and nothing depends on them (rule 6).

inotify is silent about what other hosts do on a network share, watches can run out, and a folder
can be unmounted under them. So all that is done here is to wake the scan early, and to note which
files were renamed into place from a temporary name (rule 2).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from collections import defaultdict
from pathlib import Path, PurePosixPath

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from atelierd.inbox.readiness import identity_of
from atelierd.inbox.scan import is_temporary_name
from atelierd.jobs.ignored import is_ignored
from atelierd.jobs.paths import FileIdentity

logger = logging.getLogger(__name__)

# watchdog warns where its reading thread meets its own registration; nothing is lost by it.
warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)

#: Seconds from a failed attempt to watch the folder to the next.
RETRY_SECONDS = 60.0
#: Renames that are remembered between two scans; those beyond it settle like any other file.
_MOST_ARRIVALS = 10_000
#: Reading is no event, or every scan would wake the next; nor is each write of a long copy.
_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]

Arrivals = dict[str, set[FileIdentity]]


class InboxWatch:
    """Sets `wake` when something happens in the inbox, as far as the kernel tells."""

    def __init__(self, inbox: Path, wake: threading.Event) -> None:
        self._inbox = inbox
        self._handler = _Handler(inbox, wake)
        self._observer: BaseObserver | None = None
        self._watched: tuple[int, int] | None = None
        self._retry_at = 0.0

    def keep(self, now: float) -> None:
        """Start to watch, or start again where the folder was replaced or the watch has ended.

        To be called at every turn; `now` is monotonic, in seconds. Raises nothing.
        """
        try:
            status = self._inbox.stat()
        except OSError:
            self.stop()
            return
        folder = (status.st_dev, status.st_ino)
        if self._alive() and folder == self._watched:
            return
        self.stop()
        if now < self._retry_at:
            return
        try:
            self._observer = _watching(self._inbox, self._handler)
        except OSError as error:
            self._retry_at = now + RETRY_SECONDS
            logger.warning(
                "no file events from %s (%s): the inbox is scanned at its interval only; if a "
                "limit was reached, raise fs.inotify.max_user_watches or max_user_instances",
                self._inbox,
                error,
            )
        else:
            self._watched = folder

    def take_arrivals(self) -> Arrivals:
        """Return, by folder, the identities of files renamed into place since the last call."""
        return self._handler.take_arrivals()

    def stop(self) -> None:
        """End the watch and its threads."""
        observer, self._observer = self._observer, None
        if observer is not None:
            _end(observer)

    def _alive(self) -> bool:
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and all(emitter.is_alive() for emitter in observer.emitters)
        )


class _Handler(FileSystemEventHandler):
    """Runs in the observer's thread."""

    def __init__(self, inbox: Path, wake: threading.Event) -> None:
        self._inbox = inbox
        self._wake = wake
        self._lock = threading.Lock()
        self._arrivals: Arrivals = defaultdict(set)
        self._count = 0

    def on_any_event(self, event: FileSystemEvent) -> None:
        path = self._relative(event.dest_path or event.src_path)
        if path is None or any(is_ignored(part) for part in path.parts):
            return
        if isinstance(event, FileMovedEvent):
            source = self._relative(event.src_path)
            if source is not None and is_temporary_name(source.name):
                self._note_arrival(path)
        self._wake.set()

    def take_arrivals(self) -> Arrivals:
        with self._lock:
            arrivals, self._arrivals = self._arrivals, defaultdict(set)
            self._count = 0
        return arrivals

    def _note_arrival(self, path: PurePosixPath) -> None:
        try:
            identity = identity_of((self._inbox / path).lstat())
        except OSError:
            return
        folder = "" if path.parent == PurePosixPath() else str(path.parent)
        with self._lock:
            if self._count < _MOST_ARRIVALS:
                self._arrivals[folder].add(identity)
                self._count += 1

    def _relative(self, path: bytes | str) -> PurePosixPath | None:
        with contextlib.suppress(ValueError):
            return PurePosixPath(os.fsdecode(path)).relative_to(self._inbox)
        return None


def _watching(inbox: Path, handler: FileSystemEventHandler) -> BaseObserver:
    """Return a running observer. Raises OSError."""
    observer = Observer()
    try:
        observer.schedule(handler, str(inbox), recursive=True, event_filter=_EVENTS)
        observer.start()
    except BaseException:
        _end(observer)
        raise
    return observer


def _end(observer: BaseObserver) -> None:
    observer.stop()
    # An observer that failed to start has a thread that cannot be joined.
    with contextlib.suppress(RuntimeError):
        observer.join()
