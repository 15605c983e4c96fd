"""What lies in the outbox, and nothing else: files found name by name, following no link.

Names come from a request and are strangers' words. Each is opened in the folder that was opened
before it, so that it is the file system, not a comparison of texts, that keeps the search inside.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from io import BufferedReader
from pathlib import Path, PurePosixPath

from atelierd.outbox.folder import opened_outbox
from atelierd.worldfaults import as_world_fault

#: Names between the outbox and a file: the deepest file of atelierd's lies in `job/report_files`.
DEEPEST = 8
#: Bytes that are read at once.
CHUNK = 1 << 18

PAGE, UNKNOWN = "text/html; charset=utf-8", "application/octet-stream"
#: What a browser is to take a file for, by the end of its name; the rest is for saving only.
_KINDS = {
    ".html": PAGE,
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".yml": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Opening a name says so when it is missing, too long, a link, a socket, or may not be read.
_NOT_SERVED = (
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG, errno.EACCES,
    errno.EILSEQ, errno.EINVAL,
)  # fmt: skip


class NotServedError(Exception):
    """There is no such file, or none that is shown."""


@dataclass(frozen=True)
class OutboxFile:
    """An open file of the outbox; whoever has it closes it."""

    file: BufferedReader
    name: str
    size: int
    modified: float
    #: Another one whenever the file is another one.
    tag: str

    @property
    def kind(self) -> str:
        """Its media type."""
        return _KINDS.get(PurePosixPath(self.name).suffix.lower(), UNKNOWN)

    @property
    def modified_text(self) -> str:
        """When it was written, as HTTP writes it."""
        return formatdate(self.modified, usegmt=True)

    def whole(self, most: int) -> bytes:
        """Return its bytes, `most` of them at most, and close it. Raises WorldFault, OSError.

        Closed by whoever reads: another thread would wait for a read that hangs.
        """
        with as_world_fault(self.name), self.file as file:
            return file.read(most)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes that it had when it was opened."""
        left = self.size
        while left > 0 and (chunk := self.file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def open_file(outbox: Path, path: str) -> OutboxFile:
    """Open the file at `path`, relative to the outbox, with `/` between the names.

    Raises NotServedError if there is none to be shown, WorldFault if the share is not there.
    """
    *folders, name = _names(path)
    with opened_outbox(outbox) as root:
        try:
            return _described(_descend(root, folders, name), name)
        except OSError as error:
            if error.errno in _NOT_SERVED:
                raise NotServedError from error
            raise
        except ValueError as error:
            # What no file can be called.
            raise NotServedError from error


def _names(path: str) -> list[str]:
    names = path.split("/")
    if len(names) > DEEPEST or any(name.startswith(".") or not name for name in names):
        # The markers, and what is still being written; `.` and `..` are of that kind, too.
        raise NotServedError
    return names


def _descend(root: Path, folders: list[str], name: str) -> int:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for one in folders:
            inner = os.open(one, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _described(descriptor: int, name: str) -> OutboxFile:
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise NotServedError
        tag = f"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"
        file = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    return OutboxFile(file, name, facts.st_size, facts.st_mtime, tag)
