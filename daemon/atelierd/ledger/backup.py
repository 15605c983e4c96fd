"""A copy of the ledger, made while others write to it, and proven to be whole."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from atelierd.durable import TEMPORARY_PREFIX, fsync_folder
from atelierd.errors import ConfigError, WorldFault
from atelierd.ledger.schema import APPLICATION_ID
from atelierd.worldfaults import as_world_fault

#: Pages that are copied at a time; in between, others may write.
_PAGES = 1000


def copy_ledger(ledger: Path, target: Path) -> int:
    """Put a copy of the ledger into `target`, in one step, and return the ledger's version.

    The copy is one file of one moment, whatever is written meanwhile. Raises ConfigError if there
    is no ledger or it is damaged, WorldFault if a disk fails.
    """
    if not ledger.exists():
        raise ConfigError(f"{ledger}: there is no ledger here; has the daemon been started once?")
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.name}")
    temporary.unlink(missing_ok=True)
    try:
        with as_world_fault(target):
            # Nobody else is to read what jobs are called, or write here.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _copy(ledger, temporary)
            version = verify_copy(temporary)
        except sqlite3.DatabaseError as error:
            raise WorldFault(f"{target}: no copy of {ledger} can be made: {error}") from error
        with as_world_fault(target):
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            fsync_folder(target.parent)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
    return version


def verify_copy(path: Path) -> int:
    """Return the version of a copy that is whole. Raises ConfigError, sqlite3.DatabaseError."""
    with contextlib.closing(sqlite3.connect(_uri(path, "ro"), uri=True)) as copy:
        try:
            found = [row[0] for row in copy.execute("PRAGMA integrity_check")]
            orphans = copy.execute("PRAGMA foreign_key_check").fetchall()
            (application,) = copy.execute("PRAGMA application_id").fetchone()
            (version,) = copy.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{path}: {error}: this is no whole copy of a ledger") from error
    if found != ["ok"] or orphans:
        said = "; ".join(str(one) for one in found[:3])
        raise ConfigError(
            f"{path}: the ledger is damaged: {said}; stop the daemon, keep a copy, and try "
            "`sqlite3 ledger.sqlite .recover`"
        )
    if application != APPLICATION_ID:
        raise ConfigError(f"{path}: this is a database of another program, no ledger of atelierd")
    return int(version)


def _copy(ledger: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(_uri(ledger, "ro"), uri=True)) as source,
        contextlib.closing(sqlite3.connect(_uri(target, "rw"), uri=True)) as copy,
    ):
        source.backup(copy, pages=_PAGES)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"
