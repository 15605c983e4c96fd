"""Disks and shares of our own, to be filled and taken away."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PAGE = 4096


def mount(*arguments: str) -> None:
    """Run mount(8); the test is skipped where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    until = time.monotonic() + 10
    while True:
        found = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        # What is being written to right now cannot be made read-only.
        if "busy" not in found.stderr or time.monotonic() > until:
            break
        time.sleep(0.01)
    if found.returncode:
        pytest.skip(f"mounting is not possible here: {found.stderr.strip()}")


def unmount(path: Path) -> None:
    """Take a mount away, even from under those who use it."""
    subprocess.run(["umount", "--lazy", str(path)], check=False, capture_output=True)


class SmallDisk:
    """A disk of a few megabytes that can be filled to the last page."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._filler = path / ".filler"

    def fill(self, spare: int = 0) -> None:
        """Leave `spare` pages of 4 KiB."""
        self.free()
        # Others may write at the same time: then there was less room than it seemed.
        while True:
            room = os.statvfs(self._path)
            pages = room.f_bavail * room.f_frsize // _PAGE - spare
            try:
                with self._filler.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, max(1, pages) * _PAGE)
                return
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give all the room back."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a small disk at `path`, which is made."""
    path.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "atelierd-test", str(path))
    try:
        yield SmallDisk(path)
    finally:
        unmount(path)


@contextmanager
def bound(source: Path, path: Path) -> Iterator[None]:
    """Mount the folder `source` at `path` during the block, as a share is."""
    mount("--bind", str(source), str(path))
    try:
        yield
    finally:
        unmount(path)
