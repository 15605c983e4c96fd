"""The ledger's tables, and how an older ledger is brought up to date."""

from __future__ import annotations

import sqlite3

from atelierd.errors import ConfigError

#: In SQLite's header: says that the file is a ledger of atelierd ("ATEL").
APPLICATION_ID = 0x4154454C

_FIRST = (
    """
    CREATE TABLE jobs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        folder TEXT NOT NULL,
        folder_key TEXT NOT NULL UNIQUE,
        base_key TEXT NOT NULL,
        base_number INTEGER NOT NULL,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        submitted_at TEXT NOT NULL,
        accepted_at TEXT NOT NULL,
        started_at TEXT,
        finished_at TEXT,
        priority INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('queued', 'running', 'held', 'done', 'failed', 'cancelled')),
        reason TEXT NOT NULL,
        job_file_sha256 TEXT NOT NULL,
        settings TEXT NOT NULL
    )
    """,
    "CREATE INDEX jobs_by_state ON jobs (state, sequence)",
    "CREATE INDEX jobs_by_base ON jobs (base_key, base_number)",
    """
    CREATE TABLE renders (
        id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL REFERENCES jobs (id),
        idx INTEGER NOT NULL,
        title TEXT NOT NULL,
        spec TEXT NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        reason TEXT NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        iteration INTEGER NOT NULL DEFAULT 0,
        iterations INTEGER NOT NULL,
        evaluations INTEGER NOT NULL DEFAULT 0,
        objective REAL,
        seconds REAL NOT NULL DEFAULT 0,
        scale INTEGER NOT NULL DEFAULT 0,
        snapshots_published INTEGER NOT NULL DEFAULT 0,
        updated_at TEXT NOT NULL,
        UNIQUE (job_id, idx)
    )
    """,
    "CREATE INDEX renders_by_state ON renders (state, job_id, idx)",
    """
    CREATE TABLE attempts (
        render_id TEXT NOT NULL REFERENCES renders (id),
        number INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        worker_pid INTEGER NOT NULL,
        outcome TEXT,
        reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (render_id, number)
    )
    """,
    """
    CREATE TABLE inputs (
        job_id TEXT NOT NULL REFERENCES jobs (id),
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (job_id, path)
    )
    """,
    """
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        action TEXT NOT NULL,
        job_id TEXT NOT NULL REFERENCES jobs (id),
        requested_at TEXT NOT NULL,
        answer TEXT
    )
    """,
)

_NOTICES = (
    """
    CREATE TABLE notices (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uid TEXT NOT NULL UNIQUE,
        event TEXT NOT NULL,
        happened_at TEXT NOT NULL,
        facts TEXT NOT NULL
    )
    """,
    "CREATE TABLE receivers (name TEXT PRIMARY KEY, through INTEGER NOT NULL)",
    "CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)

_SCHEDULES = (
    "ALTER TABLE jobs ADD COLUMN not_before TEXT",
    "ALTER TABLE jobs ADD COLUMN time_window TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE jobs ADD COLUMN deadline TEXT",
    "ALTER TABLE renders ADD COLUMN expected_seconds REAL",
    "ALTER TABLE renders ADD COLUMN drafted INTEGER NOT NULL DEFAULT 0",
)

#: One entry for each version; entries are only ever added, for ledgers of each version exist.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _NOTICES, _SCHEDULES)


def check_version(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of the ledger at `path`, 0 for a new file.

    Raises ConfigError if the file is some other program's or was written by a newer atelierd.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise ConfigError(
            f"{path}: this is a database of another program, not a ledger of atelierd; "
            "name another state folder, or move the file away"
        )
    if version > len(MIGRATIONS):
        raise ConfigError(
            f"{path}: this ledger has version {version}, written by a newer atelierd; this one "
            f"knows versions up to {len(MIGRATIONS)}. Install the newer atelierd again"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the ledger up to date, one version and one transaction after the other.

    Killed in between, the next start goes on from the version that was reached. Raises
    ConfigError as `check_version`.
    """
    for number in range(check_version(connection, path) + 1, len(MIGRATIONS) + 1):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if check_version(connection, path) >= number:
                continue
            for statement in MIGRATIONS[number - 1]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
