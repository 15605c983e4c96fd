from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atelierd.errors import ConfigError, WorldFault
from atelierd.ledger import Ledger, schema
from atelierd.ledger.rows import NewJob, Progress
from atelierd.ledger.states import JobState

MakeJob = Callable[..., NewJob]


def pragma(ledger: Ledger, name: str) -> object:
    return ledger._db.rows(f"PRAGMA {name}")[0][0]


def test_the_ledger_writes_ahead_and_waits_for_the_disk(path: Path, ledger: Ledger) -> None:
    assert pragma(ledger, "journal_mode") == "wal"
    assert pragma(ledger, "synchronous") == 2
    assert pragma(ledger, "foreign_keys") == 1


def test_after_cheap_progress_the_next_change_waits_for_the_disk_again(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.progress("a1.0", Progress(1, 1, None, 1.0, 0, 0))
    assert pragma(ledger, "synchronous") == 2


def test_a_ledger_of_a_newer_atelierd_is_refused_in_words(path: Path) -> None:
    Ledger.open(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    for read_only in (False, True):
        with pytest.raises(ConfigError, match="version 99, written by a newer atelierd"):
            Ledger.open(path, read_only=read_only)


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="database of another program"):
        Ledger.open(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_in_words(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(ConfigError, match="the ledger is damaged"):
        Ledger.open(path)


def test_a_reader_finds_no_ledger_and_makes_none(path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger here"):
        Ledger.open(path, read_only=True)
    assert not path.exists()


def test_a_reader_does_not_bring_an_old_ledger_up_to_date(path: Path) -> None:
    path.touch()
    with pytest.raises(ConfigError, match="start the daemon once"):
        Ledger.open(path, read_only=True)


def test_each_version_is_reached_from_the_one_before(
    path: Path, new_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Ledger.open(path)
    job = first.add_job(new_job("a1"))
    first.close()
    further = (*schema.MIGRATIONS, ("CREATE TABLE more (x TEXT)",))
    monkeypatch.setattr(schema, "MIGRATIONS", further)
    second = Ledger.open(path)
    assert second.job("a1") == job
    assert pragma(second, "user_version") == len(further)
    second.close()


def test_an_upgrade_that_is_interrupted_leaves_the_version_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger.open(path).close()
    version = len(schema.MIGRATIONS)
    broken = (*schema.MIGRATIONS, ("CREATE TABLE more (x TEXT)", "no SQL at all"))
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", broken)
        with pytest.raises(sqlite3.OperationalError):
            Ledger.open(path)
    again = Ledger.open(path)
    assert pragma(again, "user_version") == version
    assert again._db.row("SELECT 1 FROM sqlite_schema WHERE name = 'more'") is None
    again.close()


def test_a_reader_cannot_change_anything(path: Path, ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    reader = Ledger.open(path, read_only=True)
    with pytest.raises(WorldFault, match="cannot be written"):
        reader.cancel_job("a1")
    assert reader.job("a1").state is JobState.QUEUED
    reader.close()


def test_a_reader_works_while_the_daemon_is_stopped(path: Path, new_job: MakeJob) -> None:
    daemon = Ledger.open(path)
    daemon.add_job(new_job("a1"))
    daemon.close()
    reader = Ledger.open(path, read_only=True)
    assert reader.job("a1").state is JobState.QUEUED
    reader.close()


def test_a_full_disk_is_a_fault_of_the_world_and_changes_nothing(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    pages = pragma(ledger, "page_count")
    ledger._db.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(WorldFault, match="the disk is full; free some space"):
        ledger.add_job(new_job("a2", renders=500))
    assert [job.id for job in ledger.jobs()] == ["a1"]
    ledger._db.rows("PRAGMA max_page_count = 100000")
    ledger.add_job(new_job("a2", renders=500))
    assert len(ledger.renders("a2")) == 500


def test_a_ledger_that_stays_locked_is_a_fault_of_the_world(
    path: Path, ledger: Ledger, new_job: MakeJob
) -> None:
    ledger._db.rows("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WorldFault, match="another process keeps it locked"):
        ledger.add_job(new_job("a1"))
    other.execute("ROLLBACK")
    other.close()
    ledger.add_job(new_job("a1"))


_READER = """
import sys
from pathlib import Path
from atelierd.ledger import Ledger
from atelierd.ledger.states import JobState
reader = Ledger.open(Path(sys.argv[1]), read_only=True)
print("ready", flush=True)
while True:
    counts = reader.counts()
    jobs, renders = sum(counts.jobs.values()), sum(counts.renders.values())
    if renders != 3 * jobs:
        sys.exit(f"{jobs} jobs with {renders} renders")
    if counts.jobs[JobState.CANCELLED]:
        break
"""


def test_a_reader_beside_the_writing_daemon_never_sees_half_a_change(
    path: Path, ledger: Ledger, new_job: MakeJob
) -> None:
    reader = subprocess.Popen([sys.executable, "-c", _READER, str(path)], stdout=subprocess.PIPE)
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"ready\n"
    for number in range(60):
        ledger.add_job(new_job(f"a{number}", renders=3))
        ledger.begin_attempt(f"a{number}.0", 1)
        ledger.progress(f"a{number}.0", Progress(1, 1, 1.0, 1.0, 0, 0))
        ledger.finish_render(f"a{number}.0")
    ledger.cancel_job("a0")
    assert reader.wait(timeout=60) == 0
    reader.stdout.close()


_KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender
ledger = Ledger.open(Path(sys.argv[1]))
new = NewJob("a1", "sky", "sky.yaml", datetime.now(UTC), "0", renders=(NewRender("t", "{}", 9),))
ledger.add_job(new)
ledger.begin_attempt("a1.0", 1)
ledger.finish_render("a1.0")
"""


@pytest.mark.parametrize("step", ["written", "committed"])
@pytest.mark.parametrize("change", [1, 2, 3])
def test_rule_8_a_kill_around_a_commit_leaves_the_change_whole_or_undone(
    path: Path, step: str, change: int
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path)],
        env={**os.environ, "ATELIERD_FAILPOINT": f"ledger.{step}:{change}"},
        check=False,
    )
    assert killed.returncode == -9
    done = change if step == "committed" else change - 1
    ledger = Ledger.open(path)
    states = [str(job.state) for job in ledger.jobs()]
    assert states == {0: [], 1: ["queued"], 2: ["running"], 3: ["done"]}[done]
    ledger.close()
