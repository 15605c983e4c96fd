"""A FUSE file system that passes everything through to a folder, unless it has other orders.

`python -m tests.faults.flaky_server SOURCE MOUNT_POINT ORDERS` looks before each operation whether
the file ORDERS has orders for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mfusepy


class _Orders:
    """What is to go wrong now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._orders: dict[str, Any] = {}
        self._left = 0

    def obey(self, operation: str, path: str) -> None:
        """Wait, or raise an OSError, if there are orders for `operation` on `path`."""
        with contextlib.suppress(OSError, ValueError):
            orders = json.loads(self._path.read_bytes())
            if orders["number"] != self._number:
                self._number, self._orders = orders["number"], orders
                self._left = orders.get("after", 0)
        if operation not in self._orders.get("operations", ()):
            return
        if self._orders.get("only", "") not in path:
            return
        time.sleep(self._orders.get("delay", 0))
        error = self._orders.get("error", 0)
        if error and self._left > 0:
            self._left -= 1
        elif error:
            raise OSError(error, os.strerror(error))


class Passing(mfusepy.Operations):  # type: ignore[misc]  # it has no types
    """Passes through what the orders let pass."""

    use_ns = True

    def __init__(self, source: str, orders: Path) -> None:
        self._source = source
        self._orders = _Orders(orders)

    def init(self, path: str) -> None: ...

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        self._orders.obey("getattr", path)
        status = os.lstat(self._source + path)
        names = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size")
        moments = ("st_atime", "st_mtime", "st_ctime")
        times = {name: getattr(status, f"{name}_ns") for name in moments}
        return {name: getattr(status, name) for name in names} | times

    def readdir(self, path: str, fh: int) -> Iterator[tuple[str, dict[str, int], int]]:
        self._orders.obey("readdir", path)
        with os.scandir(self._source + path) as entries:
            listed = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        for name, status in listed:
            yield name, {"st_mode": status.st_mode, "st_ino": status.st_ino}, 0

    def readlink(self, path: str) -> str:
        return os.readlink(self._source + path)  # noqa: PTH115

    def statfs(self, path: str) -> dict[str, int]:
        self._orders.obey("statfs", path)
        status = os.statvfs(self._source + path)
        return {name: getattr(status, name) for name in dir(status) if name.startswith("f_")}

    def mkdir(self, path: str, mode: int) -> None:
        self._orders.obey("mkdir", path)
        os.mkdir(self._source + path, mode)  # noqa: PTH102

    def rmdir(self, path: str) -> None:
        os.rmdir(self._source + path)  # noqa: PTH106

    def unlink(self, path: str) -> None:
        self._orders.obey("unlink", path)
        os.unlink(self._source + path)  # noqa: PTH108

    def rename(self, old: str, new: str) -> None:
        self._orders.obey("rename", old)
        os.rename(self._source + old, self._source + new)  # noqa: PTH104

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._source + path, mode)  # noqa: PTH101

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.chown(self._source + path, uid, gid)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        self._orders.obey("truncate", path)
        os.truncate(self._source + path, length)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        os.utime(self._source + path, ns=times) if times else os.utime(self._source + path)

    def open(self, path: str, flags: int) -> int:
        self._orders.obey("open", path)
        return os.open(self._source + path, flags)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self._orders.obey("create", path)
        return os.open(self._source + path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._orders.obey("read", path)
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._orders.obey("write", path)
        return os.pwrite(fh, data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        self._orders.obey("fsync", path)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)


def main(arguments: Sequence[str]) -> None:
    """Serve the file system until it is unmounted."""
    source, mount_point, orders = arguments
    mfusepy.FUSE(
        Passing(source, Path(orders)),
        mount_point,
        foreground=True,
        use_ino=True,
        attr_timeout=1,
        entry_timeout=1,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
