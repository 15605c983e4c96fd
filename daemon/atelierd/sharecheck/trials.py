"""The trials of a folder: each does something small on the ground and says what came of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from atelierd.inbox.scan import walk
from atelierd.sharecheck.ground import Ground
from atelierd.sharecheck.measures import (
    Events,
    Names,
    Pace,
    Renames,
    Room,
    Scan,
    Syncs,
    Times,
)

#: Times that a file is replaced while a reader looks.
REPLACEMENTS = 60
#: Files that are made, synced and renamed, one after the other.
SYNCED = 5
#: Bytes that are written and read for the speed.
BULK = 8 << 20
#: Seconds between two steps of the clock that kernels take files' times from, at most.
KERNEL_STEP = 0.02
#: Seconds for a file event to come.
EVENT_PATIENCE = 2.0
#: Names that people give to files, by what is special about them.
SPECIAL = {
    "umlauts": "grün",
    "Japanese": "夜景",
    "emoji": "🎨",
    "a space at the end": "end ",
    "a dot at the end": "end.",
    'one of : * ? " < > |': ':*?"<>|',
    "a backslash": "a\\b",
}
_LONGEST = 255


def renames(ground: Ground) -> Renames:
    """Rename files: to a new name, from another folder, over one that is being read."""
    ground.create("first", b"first")
    ground.rename("first", "renamed")
    outside = ground.within / ground.name("outside")
    os.close(os.open(outside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644))
    try:
        os.rename(outside, ground.name("moved"), dst_dir_fd=ground.descriptor)
        between_folders = True
    except OSError:
        between_folders = False
        outside.unlink()
    before = ground.stat("renamed").st_ino
    ground.rename("renamed", "kept")
    same_inode = ground.stat("kept").st_ino == before
    ground.create("target", b"0" * 512)
    ground.create("new", b"1" * 512)
    try:
        ground.rename("new", "target")
    except OSError:
        return Renames(False, between_folders, same_inode, 0)
    return Renames(True, between_folders, same_inode, _gaps(ground))


def _gaps(ground: Ground) -> int:
    """Return how often a reader finds no file, or half a one, while it is replaced."""
    stop = threading.Event()
    gaps = 0

    def look() -> None:
        nonlocal gaps
        while not stop.is_set():
            try:
                data = ground.read("target")
            except OSError:
                gaps += 1
            else:
                gaps += len(data) != 512 or len(set(data)) != 1

    reader = threading.Thread(target=look, daemon=True)
    reader.start()
    try:
        for number in range(REPLACEMENTS):
            ground.create("new", bytes([number]) * 512)
            ground.rename("new", "target")
    finally:
        stop.set()
        reader.join()
    return gaps


def syncs(ground: Ground) -> Syncs:
    """Bring small files to the server's disk as every picture is: write, fsync, rename, fsync."""
    file_refused = folder_refused = None
    seconds = []
    for number in range(SYNCED):
        began = time.monotonic()
        try:
            ground.create(f"synced-{number}", b"x" * 4096, sync=True)
        except OSError as error:
            file_refused = error.strerror
            if not ground.exists(f"synced-{number}"):
                raise
        ground.rename(f"synced-{number}", f"in place-{number}")
        try:
            os.fsync(ground.descriptor)
        except OSError as error:
            folder_refused = error.strerror
        seconds.append(time.monotonic() - began)
    return Syncs(file_refused, folder_refused, statistics.median(seconds))


def times(ground: Ground) -> Times:
    """Compare the clock that the files' times come from with this machine's."""
    before = time.time()
    ground.create("clock", b"now", sync=True)
    after = time.time()
    found = ground.stat("clock").st_mtime
    wanted = 1_700_000_001_123_456_789
    os.utime(ground.name("clock"), ns=(wanted, wanted), dir_fd=ground.descriptor)
    kept = ground.stat("clock").st_mtime_ns
    grain = next(
        (
            one
            for one in (1, 100, 1_000, 1_000_000, 10**9, 2 * 10**9)
            if kept == wanted // one * one
        ),
        None,
    )
    # A time that was cut to its second lies up to that much before the moment.
    coarse = max((grain or 10**9) / 1e9, KERNEL_STEP)
    ahead = 0.0
    if found > after:
        ahead = found - after
    elif found + coarse < before:
        ahead = found + coarse - before
    return Times(ahead, None if grain is None else grain / 1e9)


def names(ground: Ground) -> Names:
    """See which names are taken, and which are one and the same."""
    ground.create("Case")
    folds_case = ground.exists("cASE")
    composed = unicodedata.normalize("NFC", "é")
    decomposed = unicodedata.normalize("NFD", "é")
    ground.create(f"{composed}1")
    one_name = ground.exists(f"{decomposed}1")
    listed = ground.sizes()
    if f"{composed}1" in listed:
        changed = None
    else:
        changed = "decomposed" if f"{decomposed}1" in listed else "changed"
    refused = []
    for what, name in SPECIAL.items():
        try:
            ground.create(name)
        except OSError:
            refused.append(what)
            continue
        if name not in ground.sizes() and what != "umlauts":
            refused.append(what)
    return Names(folds_case, one_name, changed, tuple(refused), _longest(ground))


def _longest(ground: Ground) -> int:
    """Return the bytes of the longest name that is taken, of those that Linux itself allows."""
    low, high = len(ground.name("").encode()) + 1, _LONGEST
    while low < high:
        middle = (low + high + 1) // 2
        name = "n" * (middle - len(ground.name("")))
        try:
            ground.create(name)
        except OSError:
            high = middle - 1
        else:
            low = middle
            ground.remove(name)
    return low


_CHANGES = (FileCreatedEvent, FileModifiedEvent, FileClosedEvent, FileMovedEvent)


class _Heard(FileSystemEventHandler):
    def __init__(self) -> None:
        self.heard = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - watchdog's own
        self.heard.set()


@contextlib.contextmanager
def listening(ground: Ground) -> Iterator[threading.Event | None]:
    """Give an event that is set when the kernel tells of a change on the ground.

    None if it cannot be watched.
    """
    observer = Observer()
    handler = _Heard()
    try:
        # To look is an event, too, but none of a change.
        observer.schedule(handler, str(ground.path), event_filter=list(_CHANGES))
        observer.start()
    except OSError:
        yield None
        return
    try:
        yield handler.heard
    finally:
        observer.stop()
        observer.join()


def events(ground: Ground) -> Events:
    """See whether the kernel tells of what this machine itself does."""
    with listening(ground) as heard:
        if heard is None:
            return Events(None)
        began = time.monotonic()
        ground.create("event", b"x")
        ground.rename("event", "event in place")
        if heard.wait(EVENT_PATIENCE):
            return Events(time.monotonic() - began)
    return Events(None)


def pace(ground: Ground) -> Pace:
    """Write and read as much as a few pictures have."""
    data = os.urandom(BULK)
    began = time.monotonic()
    with contextlib.suppress(OSError):
        ground.create("bulk", data, sync=True)
    written = time.monotonic() - began
    descriptor = os.open(ground.name("bulk"), os.O_RDONLY, dir_fd=ground.descriptor)
    try:
        # What this machine still remembers of the file would be read from memory.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    began = time.monotonic()
    whole = ground.read("bulk") == data
    read = time.monotonic() - began
    ground.remove("bulk")
    return Pace(BULK / max(written, 1e-9), BULK / max(read, 1e-9), whole)


def scan(folder: Path) -> Scan:
    """Walk through the folder as the daemon does at every scan."""
    began = time.monotonic()
    inventory = walk(folder)
    seconds = time.monotonic() - began
    return Scan(seconds, sum(len(found) for found in inventory.names.values()))


def room(folder: Path) -> Room:
    """Ask for the free space."""
    usage = shutil.disk_usage(folder)
    return Room(usage.free, usage.total)
