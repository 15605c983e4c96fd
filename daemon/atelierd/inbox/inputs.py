"""Frozen inputs: copies of people's pictures in the state folder, each under its SHA-256 (rule 7).

A picture that a thousand jobs name is kept once, and as long as it looks the same on the share it
is read once. A copy that exists is complete: it gets its name only when it is on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from atelierd.durable import TEMPORARY_PREFIX, fsync_folder
from atelierd.errors import NotReadyError
from atelierd.failpoints import failpoint
from atelierd.images.load import probe
from atelierd.images.picture import ImageLimits
from atelierd.inbox.readiness import identity_of
from atelierd.jobs.frozen import input_path, job_file_path
from atelierd.jobs.paths import FileIdentity
from atelierd.ledger.reader import LedgerReader
from atelierd.ledger.rows import FrozenInput
from atelierd.ledger.states import JobState
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault

_CHUNK = 1 << 20
#: Pictures of the share whose hashes are remembered.
_MOST_REMEMBERED = 4_096


class InputStore:
    """The frozen inputs of one state folder."""

    def __init__(self, state: Path, limits: ImageLimits) -> None:
        self._state = state
        self._limits = limits
        self._remembered: dict[tuple[str, int, int, FileIdentity], str] = {}

    def freeze(self, descriptor: int, path: str, expected: FileIdentity) -> FrozenInput:
        """Copy the open file `path` of the share, closing it, unless it is here already.

        Raises NotReadyError if the file is not, or does not stay, as `expected`; JobFault if it
        is no picture; WorldFault if the share or the disk fails.
        """
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if identity_of(status) != expected:
                raise _changed(path)
            # A copy may bring its time along, and get the inode of the file that it replaces.
            key = (path, status.st_dev, status.st_ctime_ns, expected)
            sha256 = self._remembered.get(key)
            if sha256 is None or not self._renewed(sha256):
                probe(file, shown(path), self._limits)
                file.seek(0)
                sha256 = self._copy(file, path, expected)
                while len(self._remembered) >= _MOST_REMEMBERED:
                    del self._remembered[next(iter(self._remembered))]
                self._remembered[key] = sha256
        return FrozenInput(sha256, path, expected.size)

    def _renewed(self, sha256: str) -> bool:
        """Whether the copy exists; if so it is young again, so that no sweep takes it now."""
        with as_world_fault(self._state):
            try:
                os.utime(input_path(self._state, sha256))
            except FileNotFoundError:
                return False
        return True

    def _copy(self, file: BinaryIO, path: str, expected: FileIdentity) -> str:
        folder = self._state / "inputs"
        temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
        with as_world_fault(self._state):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("xb") as copy:
                    sha256 = _pour(file, shown(path), copy)
                    if identity_of(os.fstat(file.fileno())) != expected:
                        raise _changed(path)
                    copy.flush()
                    os.fsync(copy.fileno())
                failpoint("accept.input_copied")
                if not self._renewed(sha256):
                    target = input_path(self._state, sha256)
                    target.parent.mkdir(exist_ok=True)
                    temporary.replace(target)
                    fsync_folder(target.parent)
                    fsync_folder(folder)
            finally:
                temporary.unlink(missing_ok=True)
        return sha256


def sweep_inputs(state: Path, ledger: LedgerReader, now: datetime, keep: timedelta) -> int:
    """Remove frozen inputs that no job needs and that are older than `keep`; return how many.

    A job needs its inputs while it is unfinished, and for `keep` after it failed or was
    cancelled, for it may be tried again. Raises WorldFault, OSError.
    """
    before = now - keep
    needed = ledger.inputs_in_use(before)
    removed = 0
    with as_world_fault(state):
        for path in (state / "inputs").glob("**/*"):
            if path != input_path(state, path.name) or path.name in needed:
                continue
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    removed += 1
    return removed


def sweep_job_files(state: Path, ledger: LedgerReader, before: datetime) -> Iterator[str]:
    """Remove the folders of job files whose jobs are done since `before`; give the jobs' ids.

    Those of other jobs stay, for they may be tried again. Raises WorldFault, OSError.
    """
    for job in ledger.jobs((JobState.DONE,)):
        path = job_file_path(state, job.id)
        if job.finished_at is not None and job.finished_at < before and path.exists():
            shutil.rmtree(path.parent)
            yield job.id


def _pour(file: BinaryIO, name: str, copy: BinaryIO) -> str:
    """Copy `file`, called `name`, and return the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    while True:
        with as_world_fault(name):
            piece = file.read(_CHUNK)
        if not piece:
            return digest.hexdigest()
        digest.update(piece)
        copy.write(piece)


def _changed(path: str) -> NotReadyError:
    return NotReadyError(f"waiting for {shown(path)}, which is being changed")
