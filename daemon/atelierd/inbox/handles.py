"""Folders of the share, reached step by step through descriptors, following no link.

Whoever may write to the share may at any moment put a link where a folder was. A path is therefore
never given to the kernel whole: each part is opened relative to the folder before it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from atelierd.inbox.readiness import identity_of
from atelierd.jobs.paths import FileIdentity

#: Another program holds the file: a Windows client that writes it, a copy under way.
HELD = frozenset({errno.EAGAIN, errno.EBUSY, errno.ETXTBSY})

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: A FIFO of that name does not block, a terminal does not become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@contextlib.contextmanager
def opened_folder(root: Path, folder: PurePosixPath, *, make: bool = False) -> Iterator[int]:
    """Open `folder`, relative to `root`, and give its descriptor; `make` makes what is missing.

    Raises OSError: FileNotFoundError if it is missing, NotADirectoryError if part of it is a link
    or a file.
    """
    descriptor = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for part in folder.parts:
            below = _enter(descriptor, part, make=make)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def enter(folder: int, name: str) -> int:
    """Return a descriptor of the folder `name` in `folder`. Raises OSError."""
    return os.open(name, _FOLDER, dir_fd=folder)


def read_whole(folder: int, name: str, longest: int) -> tuple[bytes, FileIdentity]:
    """Return the bytes of the file `name` in `folder`, and its identity after the reading.

    Of a file of more than `longest` bytes, so many. Raises OSError; IsADirectoryError for anything
    that is neither a file nor a link.
    """
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(f"{name!r} is no regular file")
        pieces = []
        left = longest
        while left and (piece := os.read(descriptor, min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces), identity_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def sync_folder(folder: int) -> None:
    """Make a rename or removal in `folder` survive a power cut, where the file system can."""
    with contextlib.suppress(OSError):
        os.fsync(folder)


def _enter(folder: int, name: str, *, make: bool) -> int:
    try:
        return enter(folder, name)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
    sync_folder(folder)
    return enter(folder, name)
