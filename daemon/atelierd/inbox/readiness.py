"""Whether a file has been quiet for long enough to be whole (rules 1 and 2).

Pure: readings and the time go in, a verdict comes out. Times are seconds of a monotonic clock, so
a step of the wall clock neither hurries nor delays anything.

A file is quiet when two readings at least `settle` apart show the same size, modification time
and inode. A file that was renamed into place from a temporary name is quiet at once: its writer
said so by the rename. There are two proofs of that, and both bind it to one identity, so that an
inode used again, or a write after the rename, falls back to the ordinary test: the file was read
with the same identity under a temporary name in the same folder, or the kernel reported the move
and the file was read right then.

A picture that is quiet and visibly breaks off is waited for some more: copies stall, and a file
server may write in pieces of megabytes, with nothing to be seen between two of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from datetime import timedelta

from atelierd.jobs.paths import FileIdentity

#: For so many times `settle` a picture that breaks off is taken for a copy under way.
BROKEN_SETTLES = 30


def identity_of(status: os.stat_result) -> FileIdentity:
    """Take a file's identity from what `fstat` or `lstat` gave."""
    return FileIdentity(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(slots=True)
class _Watched:
    identity: Hashable
    since: float
    quiet: bool
    whole: bool = False


class StabilityTracker:
    """Remembers since when each thing has looked as it looks now.

    A thing is mostly a file, known by its path, whose identity is a `FileIdentity`. The list of
    files that a pattern matches is one too.
    """

    def __init__(self, settle: timedelta) -> None:
        self.settle = settle
        """How long a thing has to look the same."""
        self._watched: dict[Hashable, _Watched] = {}

    def observe(self, key: Hashable, identity: Hashable, now: float) -> bool:
        """Take a reading and return whether the thing is quiet; a first reading never is."""
        watched = self._watched.get(key)
        if watched is None or watched.identity != identity:
            self._watched[key] = _Watched(identity, now, quiet=False)
            return False
        if not watched.quiet and now - watched.since >= self.settle.total_seconds():
            watched.quiet = True
        return watched.quiet

    def renamed_into_place(self, key: Hashable, identity: Hashable, now: float) -> None:
        """Note that the file was complete with this identity when it got its name (rule 2)."""
        self._watched[key] = _Watched(identity, now, quiet=True)

    def look_inside(
        self, key: Hashable, identity: Hashable, now: float, breaks_off: Callable[[], bool]
    ) -> bool:
        """Return whether a quiet thing may be taken by what `breaks_off` finds in it.

        One that does not break off may, and is not asked about again; one that does, once it has
        looked the same for `BROKEN_SETTLES` times the time to settle.
        """
        watched = self._watched.get(key)
        if watched is None or watched.identity != identity:
            return False
        if not watched.whole:
            patient_for = BROKEN_SETTLES * self.settle.total_seconds()
            watched.whole = now - watched.since >= patient_for or not breaks_off()
        return watched.whole

    def keep_only(self, keys: Collection[Hashable]) -> None:
        """Forget all things but `keys`, so that memory holds only what is there now."""
        self._watched = {key: self._watched[key] for key in keys if key in self._watched}
