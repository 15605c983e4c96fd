"""SQLite as the ledger uses it: durable, locked briefly, its faults sorted by who must act."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from atelierd.errors import ConfigError, WorldFault
from atelierd.failpoints import failpoint
from atelierd.ledger.backup import copy_ledger
from atelierd.ledger.place import refuse_network
from atelierd.ledger.schema import MIGRATIONS, check_version, migrate

#: Seconds to wait for another process's write to end.
BUSY_TIMEOUT = 10.0

_OPEN = {"read": "ro", "write": "rw", "own": "rwc"}

#: SQLite's primary result codes that speak of the disk, not of the ledger's content.
_WORLD = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, and the queue goes on by itself",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check it, and the queue goes on by itself",
    sqlite3.SQLITE_READONLY: "it cannot be written; mount the disk writable, or run this command "
    "as the daemon's user",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; let this user read and write its folder",
    sqlite3.SQLITE_PERM: "access is denied; let this user read and write its folder",
    sqlite3.SQLITE_BUSY: "another process keeps it locked; end that process",
    sqlite3.SQLITE_LOCKED: "another process keeps it locked; end that process",
    sqlite3.SQLITE_PROTOCOL: "its locks do not work; put the state folder on a local disk",
}


def copy_before_upgrade(ledger: Path, version: int) -> Path:
    """Return where the copy of a ledger lies that was made before its upgrade from `version`."""
    return ledger.with_name(f"{ledger.stem}.version-{version}{ledger.suffix}")


class Connection:
    """One connection to the ledger's file, usable from any thread, one at a time.

    Every method raises WorldFault if the disk fails, ConfigError if the file is damaged.
    """

    def __init__(self, path: Path, mode: Literal["read", "write", "own"]) -> None:
        """Open the ledger at `path`; the daemon owns it: it creates it and brings it up to date."""
        refuse_network(path.parent)
        if mode != "own" and not path.exists():
            raise ConfigError(
                f"{path}: there is no ledger here; is the state folder the daemon's, and has the "
                "daemon been started once?"
            )
        self.path = path
        self._lock = threading.RLock()
        with self._faults():
            self._sqlite = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={_OPEN[mode]}",
                uri=True,
                timeout=BUSY_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
            )
        self._sqlite.row_factory = sqlite3.Row
        try:
            with self._faults():
                self._prepare(mode)
        except BaseException:
            self._sqlite.close()
            raise

    def _prepare(self, mode: Literal["read", "write", "own"]) -> None:
        version = check_version(self._sqlite, str(self.path))
        self._sqlite.execute("PRAGMA foreign_keys = ON")
        if mode != "read":
            (journal,) = self._sqlite.execute("PRAGMA journal_mode = WAL").fetchone()
            if journal != "wal":
                raise ConfigError(
                    f"{self.path}: this file system cannot hold a write-ahead log (SQLite fell "
                    f"back to {journal!r}); put the state folder on another local disk"
                )
            self._sqlite.execute("PRAGMA synchronous = FULL")
        if mode == "own":
            if 0 < version < len(MIGRATIONS):
                # Whoever goes back to the atelierd before finds what that one can read.
                copy_ledger(self.path, copy_before_upgrade(self.path, version))
            migrate(self._sqlite, str(self.path))
        elif version < len(MIGRATIONS):
            raise ConfigError(
                f"{self.path}: this ledger has version {version}, this atelierd works with "
                f"version {len(MIGRATIONS)}; start the daemon once, and it brings it up to date"
            )

    def close(self) -> None:
        """Close the file; the last one to close it folds the write-ahead log into it."""
        with self._lock, self._faults():
            self._sqlite.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of one query."""
        with self._lock, self._faults():
            return self._sqlite.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> Any | None:
        """Return the first row of one query, None if there is none."""
        with self._lock, self._faults():
            return self._sqlite.execute(sql, values).fetchone()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement inside a `transaction`; return the number of rows that it changed."""
        with self._lock, self._faults():
            return self._sqlite.execute(sql, values).rowcount

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or nothing of the block; on disk when it ends, unless `durable` is false.

        Without `durable` a power cut may undo it, together with nothing that came before; it
        costs no fsync.
        """
        with self._lock, self._faults():
            if not durable:
                self._sqlite.execute("PRAGMA synchronous = NORMAL")
            try:
                self._sqlite.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    failpoint("ledger.written")
                    self._sqlite.execute("COMMIT")
                    failpoint("ledger.committed")
                except BaseException:
                    # A full disk may have ended the transaction already.
                    if self._sqlite.in_transaction:
                        self._sqlite.execute("ROLLBACK")
                    raise
            finally:
                if not durable:
                    self._sqlite.execute("PRAGMA synchronous = FULL")

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The low byte is the primary code; errors of the sqlite3 module itself have none.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _WORLD:
                raise WorldFault(f"{self.path}: {error}: {_WORLD[code]}") from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise ConfigError(
                    f"{self.path}: {error}: the ledger is damaged. Stop the daemon, keep a copy, "
                    "and try `sqlite3 ledger.sqlite .recover`; or move it away to start anew"
                ) from error
            raise
