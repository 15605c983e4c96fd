"""Faults of the world: a share that is gone, a disk that is full (rule 17 of the spool rules).

Nobody's job is to blame for them, so they pause the queue and burn no attempt.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from atelierd.errors import WorldFault

_FULL = "no space is left there; free some, and the queue goes on by itself"
_QUOTA = "the quota is used up; free some space, and the queue goes on by itself"
_READ_ONLY = "the file system is read-only; mount it writable, and the queue goes on by itself"
_DENIED = "access is denied; let the daemon's user read and write there"
_BROKEN = "the disk or the server reports an error; check it, and the queue goes on by itself"
_GONE = "the share is not connected; mount it again, and the queue goes on by itself"
_SLOW = "the server does not answer; the queue goes on by itself when it does"

#: What each error number means to the person who can mend it.
WORDS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _QUOTA,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EIO: _BROKEN,
    errno.EREMOTEIO: _BROKEN,
    errno.EBUSY: _BROKEN,
    errno.ENOLCK: _BROKEN,
    errno.ESTALE: _GONE,
    errno.ENOTCONN: _GONE,
    errno.ENODEV: _GONE,
    errno.ENXIO: _GONE,
    errno.ENOMEDIUM: _GONE,
    errno.ESHUTDOWN: _GONE,
    errno.ECONNABORTED: _GONE,
    errno.ECONNREFUSED: _GONE,
    errno.ECONNRESET: _GONE,
    errno.EHOSTDOWN: _SLOW,
    errno.EHOSTUNREACH: _SLOW,
    errno.ENETDOWN: _SLOW,
    errno.ENETUNREACH: _SLOW,
    errno.ETIMEDOUT: _SLOW,
}


def is_world_fault(error: OSError) -> bool:
    """Whether `error` says that the share or the disk is to blame, not what was asked of it."""
    return error.errno in WORDS


@contextlib.contextmanager
def as_world_fault(path: Path | str) -> Iterator[None]:
    """Turn an OSError of the share or disk into a WorldFault that names `path` and what to do.

    Other OSErrors (a file that does not exist, a name that is too long) pass unchanged.
    """
    try:
        yield
    except OSError as error:
        words = WORDS.get(error.errno or 0)
        if words is None:
            raise
        raise WorldFault(f"{path}: {os.strerror(error.errno or 0)}: {words}") from error
