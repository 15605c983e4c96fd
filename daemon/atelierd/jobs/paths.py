"""Files of the share, opened so that no job file and no race can lead out of it.

A job file comes from anybody who can write to the share, and while it is being read that person
may swap a folder for a symbolic link. So no path is ever handed to the kernel whole: each part is
opened relative to the descriptor of the folder before it, following no link, and what was opened
is asked what it is. Links are refused even where they stay inside.

Accepted: a hard link, or a mount inside the inbox, to a file from elsewhere. Making one takes
rights on the daemon's machine that a user of the share does not have.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from atelierd.errors import JobFault, WorldFault
from atelierd.jobs.listing import Listings
from atelierd.jobs.matching import Matcher, split_pattern
from atelierd.jobs.opening import MissingError, in_words, open_folder, open_regular
from atelierd.jobs.relative import relative_path
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault

_HERE = PurePosixPath()


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What changes when somebody writes or replaces a file."""

    #: Bytes.
    size: int
    mtime_ns: int
    inode: int


class Root:
    """A folder of the share, seen only from above: nothing outside it can be reached.

    The methods raise JobFault for what is refused, in a sentence of its own; MissingError, a
    NotReadyError, for what is not there; NotReadyError for what is in use or may not be read;
    WorldFault where the share itself fails. Names are found exactly as written, else as the one
    name that differs only in case or in how its accents are composed.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """`path` is the daemon's own configuration: it may be absolute and may be a link."""
        self.path = path
        self._listings = Listings(clock)

    def open_file(self, relative: PurePosixPath) -> int:
        """Return a descriptor for reading the regular file `relative`; the caller closes it."""
        with self._parent(relative_path(str(relative))) as (folder, found):
            return open_regular(folder, found.name, found)

    def fingerprint(self, relative: PurePosixPath) -> FileIdentity:
        """Return size, modification time and inode of the regular file `relative`.

        It is opened for that: a network file system then asks its server, not its cache.
        """
        descriptor = self.open_file(relative)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return FileIdentity(status.st_size, status.st_mtime_ns, status.st_ino)

    def find(self, text: str, folder: PurePosixPath) -> PurePosixPath:
        """Return where the file is that a job file in `folder` calls `text`.

        Taken relative to `folder`, then to the root. The result is relative to the root, its
        names spelled as on the disk.
        """
        wanted = relative_path(text)
        for start in _starts(folder):
            with contextlib.suppress(MissingError), self._parent(start / wanted) as (parent, found):
                os.close(open_regular(parent, found.name, found))
                return found
        raise MissingError(text)

    def glob(self, pattern: str, folder: PurePosixPath) -> list[PurePosixPath]:
        """Return the regular files that match `pattern`, sorted; none is no error.

        `*`, `?` and `[...]` match within a name, without regard to case; `**` any folders. Links,
        ignored names (rule 5) and job files are passed over. Taken relative to `folder` and, if
        nothing matches there, to the root; results are as `find`'s.
        """
        plain, parts = split_pattern(relative_path(pattern))
        for start in _starts(folder):
            with contextlib.suppress(MissingError), self._folder(start / plain) as (opened, found):
                matches = sorted(Matcher(parts).files(opened, found))
                if matches:
                    return matches
        return []

    @contextlib.contextmanager
    def _parent(self, path: PurePosixPath) -> Iterator[tuple[int, PurePosixPath]]:
        """Open the folder that `path` is in; give it, and `path` as it is spelled on the disk."""
        with self._folder(path.parent) as (folder, found):
            yield folder, found / self._spelled(folder, path.name, path)

    @contextlib.contextmanager
    def _folder(self, path: PurePosixPath) -> Iterator[tuple[int, PurePosixPath]]:
        """Open the folder `path`; give it, and `path` as it is spelled on the disk."""
        folder = self._open_root()
        found = _HERE
        try:
            for part in path.parts:
                found /= self._spelled(folder, part, path)
                below = open_folder(folder, found.name, found)
                os.close(folder)
                folder = below
            yield folder, found
        finally:
            os.close(folder)

    def _open_root(self) -> int:
        try:
            with as_world_fault(self.path):
                return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise WorldFault(f"{self.path} is not there: is the share mounted?") from error

    def _spelled(self, folder: int, name: str, path: PurePosixPath) -> str:
        """Return `name` as it is spelled in the open `folder`."""
        with in_words(path):
            with contextlib.suppress(FileNotFoundError):
                os.stat(name, dir_fd=folder, follow_symlinks=False)
                return name
            alike = self._listings.alike(folder, name)
        if not alike:
            raise MissingError(str(path))
        if len(alike) > 1:
            listed = ", ".join(shown(one) for one in alike)
            raise JobFault(f"{shown(str(path))} may mean any of {listed}; write it exactly so")
        return alike[0]


def _starts(folder: PurePosixPath) -> list[PurePosixPath]:
    """Return where a path may start: the job file's folder, then the root."""
    return [folder, _HERE] if folder.parts else [_HERE]
