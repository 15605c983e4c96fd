"""Removing temporary files that a kill has left behind: by age, and only our own (rule 23)."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from atelierd import durable
from atelierd.outbox.layout import MARKER, ORIGINAL, REPORT_FILES
from atelierd.worldfaults import as_world_fault


def clean_temporary(root: Path, older_than: timedelta, now: float | None = None) -> list[Path]:
    """Remove our old temporary files in `root` and the folders in it; return what was removed.

    See `clean_in_steps`.
    """
    return [path for paths in clean_in_steps(root, older_than, now) for path in paths]


def clean_in_steps(
    root: Path, older_than: timedelta, now: float | None = None
) -> Iterator[list[Path]]:
    """Remove our old temporary files in `root`, then in each folder in it; give what was removed.

    Symbolic links are neither followed nor removed, nor is anything whose name is not ours.
    `now` is in seconds since the epoch. Between two steps nothing is held open. Raises WorldFault
    if the share fails.
    """
    before = (time.time() if now is None else now) - older_than.total_seconds()
    with as_world_fault(root), _opened(root) as top:
        names = _names(top)
        removed = [root / name for name in _clean_folder(top, before, staged=False)]
    yield removed
    for name in names:
        with as_world_fault(root), _opened(root) as top:
            removed = [root / path for path in _clean_below(top, name, before)]
        yield removed


def _clean_below(top: int, name: str, before: float) -> list[str]:
    removed: list[str] = []
    staged = durable.is_temporary(name)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        with _opened(name, top) as inner:
            if staged and os.fstat(inner).st_mtime >= before:
                return removed
            removed += [f"{name}/{one}" for one in _clean_folder(inner, before, staged)]
            with (
                contextlib.suppress(FileNotFoundError, NotADirectoryError),
                _opened(REPORT_FILES, inner) as pages,
            ):
                found = _clean_folder(pages, before, staged=False)
                removed += [f"{name}/{REPORT_FILES}/{one}" for one in found]
        if staged and _remove_empty(name, top):
            removed.append(name)
    return removed


def _clean_folder(folder: int, before: float, staged: bool) -> list[str]:
    """Remove what is ours and older than `before`; a job's folder being made is ours whole."""
    removed = []
    for name in _names(folder):
        if not (durable.is_temporary(name) or (staged and name in (MARKER, ORIGINAL))):
            continue
        with contextlib.suppress(FileNotFoundError, PermissionError):
            status = os.lstat(name, dir_fd=folder)
            if stat.S_ISREG(status.st_mode) and status.st_mtime < before:
                os.unlink(name, dir_fd=folder)
                removed.append(name)
    return removed


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _remove_empty(name: str, parent: int) -> bool:
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


@contextlib.contextmanager
def _opened(folder: Path | str, parent: int | None = None) -> Iterator[int]:
    # A symbolic link, and everything else that is no folder, is refused with ENOTDIR.
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if parent is None else os.O_NOFOLLOW)
    descriptor = os.open(folder, flags, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
