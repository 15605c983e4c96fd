"""A folder of our own in somebody's folder, in which a share is tried out.

Everything there has a temporary name of ours: a daemon at work in the same inbox ignores it, and if
this process is killed, its housekeeping removes it. Files are reached through a descriptor of the
folder and made new, so that nothing of anybody else's can be touched, whatever is put in its way.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from atelierd.durable import TEMPORARY_PREFIX

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Ground:
    """The folder; names are completed to temporary ones. The methods raise OSError."""

    def __init__(self, within: Path) -> None:
        """Make it. Raises OSError."""
        self._prefix = f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-"
        self.within = within
        self.path = within / f"{self._prefix}doctor"
        self.path.mkdir()
        self.descriptor = os.open(self.path, _FOLDER)

    def name(self, name: str) -> str:
        """Return `name` as a temporary name of ours."""
        return f"{self._prefix}{name}"

    def create(self, name: str, data: bytes = b"", *, sync: bool = False) -> os.stat_result:
        """Make a file and return its status before it was closed."""
        descriptor = os.open(self.name(name), _NEW, 0o644, dir_fd=self.descriptor)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if sync:
                os.fsync(descriptor)
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def read(self, name: str) -> bytes:
        """Return what is in a file."""
        descriptor = os.open(self.name(name), _READ, dir_fd=self.descriptor)
        try:
            pieces = []
            while piece := os.read(descriptor, 1 << 20):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def stat(self, name: str) -> os.stat_result:
        """Return the status of what has this name."""
        return os.stat(self.name(name), dir_fd=self.descriptor, follow_symlinks=False)

    def fstat(self, name: str) -> os.stat_result:
        """Return the status of a file that is opened for it, as the daemon looks at pictures."""
        descriptor = os.open(self.name(name), _READ, dir_fd=self.descriptor)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def exists(self, name: str) -> bool:
        """Whether something has this name."""
        try:
            self.stat(name)
        except FileNotFoundError:
            return False
        return True

    def rename(self, old: str, new: str) -> None:
        """Rename a file, over what has the new name."""
        here = self.descriptor
        os.replace(self.name(old), self.name(new), src_dir_fd=here, dst_dir_fd=here)

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(self.name(name), dir_fd=self.descriptor)

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the files, by the names that they are listed with, ours taken off.

        The folder is opened anew for that, as a scan does.
        """
        descriptor = os.open(self.path, _FOLDER)
        try:
            with os.scandir(descriptor) as entries:
                return {
                    entry.name.removeprefix(self._prefix): entry.stat(follow_symlinks=False).st_size
                    for entry in entries
                }
        finally:
            os.close(descriptor)

    def end(self) -> None:
        """Remove it with all that is in it. Raises OSError if something stays."""
        try:
            with os.scandir(self.descriptor) as entries:
                names = [entry.name for entry in entries]
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self.descriptor)
        finally:
            os.close(self.descriptor)
        self.path.rmdir()


@contextlib.contextmanager
def ground_in(folder: Path) -> Iterator[Ground]:
    """Make a ground in `folder` for the length of the block. Raises OSError."""
    ground = Ground(folder)
    try:
        yield ground
    finally:
        ground.end()
