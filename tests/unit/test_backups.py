"""A backup that is whole, made while the daemon writes, and a restore from it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atelierd import durable
from atelierd.backups import backup_name, check_backup, forget_old, make_backup
from atelierd.errors import ConfigError, WorldFault
from atelierd.jobs.frozen import job_file_path
from atelierd.ledger import Ledger
from atelierd.ledger.backup import copy_ledger, verify_copy
from atelierd.ledger.rows import NewJob, NewRender, Progress
from atelierd.ledger.states import Action, JobState
from atelierd.settings import Settings, read_settings
from atelierd.share import init_share

NOW = datetime(2026, 3, 12, 12, tzinfo=UTC)


class House:
    """A daemon's folders with a ledger in them."""

    def __init__(self, root: Path) -> None:
        init_share(root / "share")
        (root / "presets").mkdir()
        (root / "presets" / "ours.yaml").write_text("iterations: 50\n")
        self.config = root / "atelierd.yaml"
        self.config.write_text(
            "inbox: share/inbox\noutbox: share/outbox\nstate: state\npresets: presets\n"
        )
        self.settings: Settings = read_settings(self.config)
        self.settings.state.mkdir()
        self.ledger = Ledger.open(self.settings.state / "ledger.sqlite")
        self.jobs = 0

    def job(self) -> str:
        job_id = f"job{self.jobs:04d}"
        self.jobs += 1
        path = job_file_path(self.settings.state, job_id)
        path.parent.mkdir(parents=True)
        path.write_text(f"content: {job_id}.png\n")
        render = NewRender("picture", "{}", 10)
        self.ledger.add_job(NewJob(job_id, job_id, f"{job_id}.yaml", NOW, "0", renders=(render,)))
        return job_id

    def back_up(self, target: Path) -> None:
        make_backup(self.settings, self.config, target, NOW)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path)
    yield one
    one.ledger.close()


def test_a_backup_has_the_ledger_job_files_configuration_and_presets(
    house: House, tmp_path: Path
) -> None:
    house.job()
    house.back_up(tmp_path / "b.tar.gz")
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        assert sorted(archive.getnames()) == [
            "atelierd.yaml",
            "backup.json",
            "jobs/job0000/job.yaml",
            "ledger.sqlite",
            "presets/ours.yaml",
        ]
        facts = json.load(archive.extractfile("backup.json"))  # type: ignore[arg-type]
    assert facts["made"] == "2026-03-12T12:00:00+00:00"
    assert facts["ledger_version"] == check_backup(tmp_path / "b.tar.gz") > 0
    assert stat.S_IMODE((tmp_path / "b.tar.gz").stat().st_mode) == 0o600
    left = [path.name for path in house.settings.state.iterdir() if "backup" in path.name]
    assert not left


#: What docs/operations.md says, for these folders.
RESTORE = """
set -e
mkdir restored
tar -xzf b.tar.gz -C restored
rm -f state/ledger.sqlite state/ledger.sqlite-wal state/ledger.sqlite-shm
cp restored/ledger.sqlite state/
cp -r restored/jobs state/
"""


def test_a_daemon_goes_on_from_a_backup_as_the_documentation_says(
    house: House, tmp_path: Path
) -> None:
    kept = house.job()
    house.ledger.begin_attempt(f"{kept}.0", 1)
    house.ledger.progress(f"{kept}.0", Progress(7, 9, 1.5, 3.0, 0, 0), saved=True)
    house.back_up(tmp_path / "b.tar.gz")
    house.ledger.act(Action.CANCEL, kept)
    house.job()
    house.ledger.close()
    shutil.rmtree(house.settings.state / "jobs")
    # Damaged as by a disk that dies.
    (house.settings.state / "ledger.sqlite").write_bytes(b"\0" * 4096)
    subprocess.run(["bash", "-c", RESTORE], cwd=tmp_path, check=True)
    house.ledger = Ledger.open(house.settings.state / "ledger.sqlite")
    house.ledger.recover()
    (job,) = house.ledger.jobs()
    (render,) = house.ledger.renders(kept)
    assert (job.id, job.state, render.iteration) == (kept, JobState.QUEUED, 7)
    assert job_file_path(house.settings.state, kept).read_text() == f"content: {kept}.png\n"
    house.job()


def test_the_restore_above_is_the_one_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    documented = text.replace("/var/lib/atelierd", "state")
    documented = documented.replace("/srv/backup/atelierd-20260312-030000.tar.gz", "b.tar.gz")
    lines = [line.strip() for line in documented.splitlines()]
    for line in RESTORE.strip().splitlines()[1:]:
        assert line in lines, line


def test_backups_made_while_others_write_are_whole_and_of_one_moment(
    house: House, tmp_path: Path
) -> None:
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            job_id = house.job()
            house.ledger.begin_attempt(f"{job_id}.0", 1)
            house.ledger.finish_render(f"{job_id}.0")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        for number in range(5):
            while house.jobs < 4 * (number + 1):
                time.sleep(0.01)
            target = tmp_path / f"{number}.sqlite"
            copy_ledger(house.settings.state / "ledger.sqlite", target)
            with sqlite3.connect(target) as copy:
                (jobs,) = copy.execute("SELECT count(*) FROM jobs").fetchone()
                (renders,) = copy.execute("SELECT count(*) FROM renders").fetchone()
            copy.close()
            assert jobs == renders
            counts.append(jobs)
    finally:
        done.set()
        writer.join()
    assert counts == sorted(counts) and counts[-1] > counts[0] > 0


def test_a_damaged_ledger_is_not_taken_for_a_backup(house: House, tmp_path: Path) -> None:
    for _ in range(300):
        house.job()
    house.ledger.close()
    path = house.settings.state / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[8192:40960] = b"\xff" * (40960 - 8192)
    path.write_bytes(data)
    (tmp_path / "b.tar.gz").write_bytes(b"the backup of yesterday")
    with pytest.raises((ConfigError, WorldFault)):
        house.back_up(tmp_path / "b.tar.gz")
    assert (tmp_path / "b.tar.gz").read_bytes() == b"the backup of yesterday"
    assert not list(tmp_path.glob(".atelierd-tmp-*"))
    house.ledger = Ledger.open(tmp_path / "other.sqlite")


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from atelierd import backups
from atelierd.settings import read_settings

backups._write = lambda *_: os._exit(9)
config = Path(sys.argv[1])
backups.make_backup(read_settings(config), config, config.with_name("b.tar.gz"), datetime.now(UTC))
"""


def test_what_a_killed_backup_leaves_is_swept_with_other_temporary_files(house: House) -> None:
    house.job()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(house.config)], check=False)
    assert killed.returncode == 9
    state = house.settings.state
    before = set(state.iterdir())
    durable.remove_temporary(state, time.time() + 60)
    (copy,) = before - set(state.iterdir())
    assert copy.name.endswith("ledger.sqlite")


def test_a_cut_off_backup_is_told_from_a_whole_one(house: House, tmp_path: Path) -> None:
    house.job()
    house.back_up(tmp_path / "b.tar.gz")
    data = (tmp_path / "b.tar.gz").read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(ConfigError, match="damaged"):
        check_backup(tmp_path / "b.tar.gz")


def test_without_a_ledger_or_with_one_of_another_program_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger here"):
        copy_ledger(tmp_path / "none.sqlite", tmp_path / "copy.sqlite")
    with sqlite3.connect(tmp_path / "recipes.sqlite") as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    with pytest.raises(ConfigError, match="another program"):
        verify_copy(tmp_path / "recipes.sqlite")


def test_the_newest_backups_stay_and_nothing_else_is_removed(tmp_path: Path) -> None:
    names = [backup_name(NOW + timedelta(days=day)) for day in range(5)]
    for name in (*names, "atelierd-mine.tar.gz", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in forget_old(tmp_path, 2)] == names[:3]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *names[3:],
        "atelierd-mine.tar.gz",
        "notes.txt",
    ]
    assert forget_old(tmp_path, 0) == []
    assert forget_old(tmp_path, 9) == []
