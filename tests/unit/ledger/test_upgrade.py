"""Ledgers of every version before, as their atelierd left them, brought up to date.

`old/` has one for each, with rows in every table and in every state. They are never changed; who
appends a migration adds a dump of the version before it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import ConfigError, WorldFault
from atelierd.ledger import Ledger, connection, schema
from atelierd.ledger.backup import verify_copy
from atelierd.ledger.states import Action, JobState, Outcome, RenderState

OLD = sorted((Path(__file__).parent / "old").glob("version-*.sql"))


def version_of(dump: Path) -> int:
    return int(dump.stem.partition("-")[2])


@pytest.fixture(params=OLD, ids=lambda dump: dump.stem)
def old(request: pytest.FixtureRequest, path: Path) -> Path:
    """A ledger of an older version at `path`; the dump that it was made from."""
    dump: Path = request.param
    restore(dump, path)
    return dump


def restore(dump: Path, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(dump.read_text())


def rows(path: Path) -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        tables = database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}


def test_there_is_a_ledger_of_each_version_with_rows_in_every_table(tmp_path: Path) -> None:
    assert {version_of(dump) for dump in OLD} >= set(range(1, len(schema.MIGRATIONS)))
    for dump in OLD:
        restore(dump, tmp_path / dump.stem)
        found = rows(tmp_path / dump.stem)
        assert all(found.values()), f"{dump.stem}: no rows in {[t for t in found if not found[t]]}"
        states = {row[13] for row in found["jobs"]}
        assert states == {str(state) for state in JobState}


def test_nothing_is_lost_by_an_upgrade(path: Path, old: Path) -> None:
    before = rows(path)
    Ledger.open(path).close()
    after = rows(path)
    for table, lines in before.items():
        # A later version may have added columns at the end.
        assert [row[: len(lines[0])] for row in after[table]] == lines, table
    assert verify_copy(path) == len(schema.MIGRATIONS)


def test_an_old_ledger_is_worked_with_as_if_it_were_new(path: Path, old: Path) -> None:
    ledger = Ledger.open(path)
    try:
        jobs = {job.id: job for job in ledger.jobs()}
        assert {job.state for job in jobs.values()} == set(JobState)
        assert jobs["job5"].name == "Größe 5" and jobs["job5"].reason == "no memory"
        (interrupted, other) = ledger.recover()
        assert {interrupted.job_id, other.job_id} == {"job2"}
        assert ledger.attempts("job2.1")[0].outcome is Outcome.INTERRUPTED
        assert ledger.render("job2.1").state is RenderState.QUEUED
        assert ledger.render("job2.1").iteration == 40
        assert [one.job_id for one in ledger.runnable()] == ["job1", "job2"]
        assert ledger.take_requests()[0].job_id == "job1"
        ledger.act(Action.RELEASE, "job3")
        ledger.act(Action.RETRY, "job5")
        assert ledger.begin_attempt("job1.0", 7) == 1
        ledger.finish_render("job1.0")
        ledger.notices.set_mark("reported day", "2026-03-02")
        assert ledger.notices.mark("reported day") == "2026-03-02"
    finally:
        ledger.close()


def test_a_copy_is_made_before_an_upgrade_which_the_older_program_can_read(
    path: Path, old: Path
) -> None:
    version, before = version_of(old), rows(path)
    copy = path.with_name(f"ledger.version-{version}.sqlite")
    Ledger.open(path).close()
    if version == len(schema.MIGRATIONS):
        assert not copy.exists()
        return
    assert rows(copy) == before
    assert verify_copy(copy) == version
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    copied = copy.stat().st_mtime_ns
    Ledger.open(path).close()
    assert copy.stat().st_mtime_ns == copied, "a ledger that is up to date is not copied"


def test_a_new_ledger_is_not_copied(path: Path) -> None:
    Ledger.open(path).close()
    assert [one.name for one in path.parent.iterdir() if "version" in one.name] == []


def test_without_room_for_the_copy_there_is_no_upgrade(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(OLD[0], path)
    before = rows(path)

    def full(_ledger: Path, target: Path) -> int:
        raise WorldFault(f"{target}: the disk is full")

    monkeypatch.setattr(connection, "copy_ledger", full)
    with pytest.raises(WorldFault, match=r"version-1\.sqlite: the disk is full"):
        Ledger.open(path)
    assert rows(path) == before
    monkeypatch.undo()
    Ledger.open(path).close()
    assert verify_copy(path) == len(schema.MIGRATIONS)


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    restore(OLD[-1], path)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"written by a newer atelierd.*Install the newer"):
        Ledger.open(path)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]
