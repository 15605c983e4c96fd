"""Opening one name in an open folder: following no link, blocking on nothing, failing in words."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath

from atelierd.errors import JobFault, NotReadyError
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: A FIFO put there at the last moment does not block, a terminal does not become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

#: Another program holds the file just now: a lease of Samba's, a copy under way.
_BUSY = {errno.EAGAIN, errno.EBUSY, errno.ETXTBSY}
_DENIED = {errno.EACCES, errno.EPERM}

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class MissingError(NotReadyError):
    """A file that a job names is not there yet."""

    def __init__(self, *missing: str) -> None:
        """`missing`: the paths and patterns, as the job file writes them."""
        most = 5
        listed = ", ".join(shown(one) for one in missing[:most])
        more = f" and {len(missing) - most} more" if len(missing) > most else ""
        super().__init__(f"waiting for {listed}{more}")
        self.missing = missing


def open_folder(folder: int, name: str, path: PurePosixPath) -> int:
    """Return a descriptor of the folder `name` in the open `folder`; `path` is its whole path.

    Raises JobFault, NotReadyError, WorldFault.
    """
    with in_words(path):
        if not stat.S_ISDIR(_lstat(folder, name, path).st_mode):
            raise JobFault(f"{shown(str(path))} is a file; expected a folder")
        return os.open(name, _FOLDER, dir_fd=folder)


def open_regular(folder: int, name: str, path: PurePosixPath) -> int:
    """Return a descriptor for reading the file `name` in the open `folder`, if it is regular.

    `path` is its whole path. Raises JobFault, NotReadyError, WorldFault.
    """
    with in_words(path):
        # Asked before it is opened, for to open a device can be an act; and again afterwards,
        # for it may have been exchanged in between.
        _refuse_special(_lstat(folder, name, path), path)
        descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            _refuse_special(os.fstat(descriptor), path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _lstat(folder: int, name: str, path: PurePosixPath) -> os.stat_result:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        raise JobFault(
            f"{shown(str(path))} is a symbolic link, which is not followed; put the file or "
            "folder itself there"
        )
    return status


def _refuse_special(status: os.stat_result, path: PurePosixPath) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        raise JobFault(f"{shown(str(path))} is {kind}; expected a file")


@contextlib.contextmanager
def in_words(path: PurePosixPath) -> Iterator[None]:
    """Turn an OSError about `path` into the fault that it is; an unknown one passes unchanged."""
    found = shown(str(path))
    try:
        yield
    except FileNotFoundError as error:
        raise MissingError(str(path)) from error
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise JobFault(f"{found} was exchanged while it was being opened") from error
        if error.errno == errno.ENAMETOOLONG:
            raise JobFault(f"{found} is too long for the disk; shorten it") from error
        if error.errno in _BUSY:
            raise NotReadyError(f"waiting for {found}: another program holds it") from error
        if error.errno in _DENIED:
            raise NotReadyError(
                f"waiting for {found}: reading it is not permitted; let the daemon's user read it"
            ) from error
        with as_world_fault(found):
            raise
