"""Durable writes: a reader sees the old file or the whole new one, never a part (spool rule 13).

Every write goes to a temporary file in the target's own folder, is flushed and fsynced, its close
is checked, then it is renamed over the target and the folder is fsynced.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from atelierd.failpoints import failpoint

#: Temporary files carry this prefix, so that cleaning by age removes only what is ours (rule 23).
TEMPORARY_PREFIX = ".atelierd-tmp-"


def fsync_folder(folder: Path) -> None:
    """Make a rename or an unlink in `folder` survive a power cut.

    Raises OSError. Some network file systems refuse to fsync a folder; they are passed over.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file for writing that becomes `target` when the block ends without error.

    On any error the temporary file is removed and `target` is what it was. Raises OSError.
    """
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{target.name[-80:]}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        failpoint("durable.written")
        temporary.replace(target)
        failpoint("durable.replaced")
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    fsync_folder(target.parent)


def write_bytes(target: Path, data: bytes) -> None:
    """Replace `target` by `data` in one step. Raises OSError."""
    with replacing(target) as file:
        file.write(data)


def adopt(temporary: Path, target: Path) -> None:
    """Replace `target` by a file that was written beside it, part by part. Raises OSError."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
    fsync_folder(target.parent)


def write_text(target: Path, text: str) -> None:
    """Replace `target` by `text` in UTF-8 in one step. Raises OSError."""
    write_bytes(target, text.encode())


def write_json(target: Path, value: Any) -> None:
    """Replace `target` by `value` as indented JSON in one step. Raises OSError."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def is_temporary(name: str) -> bool:
    """Whether a file's name says that it is one of this module's temporary files."""
    return name.startswith(TEMPORARY_PREFIX)


def remove_temporary(folder: Path, before: float) -> None:
    """Remove temporary files in `folder`, a folder of our own, that are older than `before`.

    `before` is in seconds since the epoch. Raises OSError.
    """
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.lstat().st_mtime < before:
                path.unlink()
