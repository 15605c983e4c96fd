"""What must be true once a daemon has drained its inbox, whatever happened before."""

from __future__ import annotations

import hashlib
import json
import os
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from tests.faults.yard import Yard

from atelierd import durable
from atelierd.housekeeping import TEMPORARY_AGE
from atelierd.inbox.owner import OWNER_NAME
from atelierd.inbox.scan import TAKEN
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.ledger.states import JOB_FINISHED, JobState, RenderState, derive_job_state
from atelierd.outbox import layout
from atelierd.share import MARKER_NAME

_PICTURES = (".png", ".jpg", ".tif", ".webp")


@dataclass(frozen=True)
class Painting:
    """What a render came to, in numbers that two runs on one machine have in common."""

    files: tuple[tuple[str, str], ...]
    """Name and SHA-256 of each picture."""
    trace: tuple[tuple[Any, ...], ...]
    """Iteration, size, value and evaluations after each iteration."""


#: By job file and title of the render.
Paintings = dict[tuple[str, str], Painting]


class Audit:
    """Looks through a yard after a drain; every complaint is an AssertionError."""

    def __init__(self, yard: Yard, ledger: Ledger) -> None:
        self._yard = yard
        self._jobs = ledger.jobs()
        self._renders = {job.id: ledger.renders(job.id) for job in self._jobs}
        self._attempts = {
            render.id: ledger.attempts(render.id)
            for renders in self._renders.values()
            for render in renders
        }

    def run(self) -> None:
        """Check everything."""
        self.nothing_lost_nothing_doubled()
        for job in self._jobs:
            self.one_state(job)
            self.folder(job)
        self.inbox()
        self.state_folder()
        self.temporary_files()

    def nothing_lost_nothing_doubled(self) -> None:
        """Each file that was dropped has one job, and each job one folder of its own."""
        wanted = Counter(
            (name, hashlib.sha256(data).hexdigest()) for name, data in self._yard.dropped
        )
        found = Counter((job.source, job.job_file_sha256) for job in self._jobs)
        assert found == wanted, f"lost {wanted - found}, doubled {found - wanted}"
        folders = {_composed(path) for path in self._yard.outbox.iterdir() if path.is_dir()}
        ours = {one for one in folders - layout.RESERVED if not durable.is_temporary(one)}
        assert ours == {job.folder for job in self._jobs}

    def one_state(self, job: JobRow) -> None:
        """The job is finished, as its renders say, and no attempt is open."""
        renders = self._renders[job.id]
        assert job.state in JOB_FINISHED, f"{job.folder} is {job.state}"
        if renders:
            assert job.state is derive_job_state([one.state for one in renders], held=False)
        else:
            assert job.state is JobState.FAILED
        for render in renders:
            for attempt in self._attempts[render.id]:
                assert attempt.finished_at is not None, f"{render.id}: an attempt is open"

    def folder(self, job: JobRow) -> None:
        """The job's folder shows what the ledger says, and its pictures are whole."""
        folder = self._yard.outbox / job.folder
        renders = self._renders[job.id]
        assert (folder / layout.MARKER).read_text() == f"{job.id}\n"
        data = (folder / layout.ORIGINAL).read_bytes()
        assert hashlib.sha256(data).hexdigest() == job.job_file_sha256
        status = json.loads((folder / layout.STATUS).read_bytes())
        assert status["state"] == job.state, f"{job.folder}: shown as {status['state']}"
        self._reasons(folder, job, renders)
        done = {one.title: one for one in renders if one.state is RenderState.DONE}
        entries = {entry["title"]: entry for entry in _manifest(folder)}
        if job.state is not JobState.CANCELLED:
            assert entries.keys() == done.keys(), f"{job.folder}: result.json lists {list(entries)}"
        else:
            assert done.keys() <= entries.keys()
        for title in done:
            self._published(folder, entries[title])
        listed = {file["name"] for entry in entries.values() for file in entry["files"]}
        pictures = {_composed(path) for path in folder.iterdir() if path.suffix in _PICTURES}
        pictures = {one for one in pictures - {layout.SHEET} if not durable.is_temporary(one)}
        if job.state is JobState.DONE:
            assert pictures == listed, f"{job.folder}: {pictures ^ listed}"
        for name in pictures:
            _opens(folder / name)

    def _reasons(self, folder: Path, job: JobRow, renders: list[RenderRow]) -> None:
        failed = [one for one in renders if one.state is RenderState.FAILED]
        text = folder / layout.ERROR
        if not failed and job.state is not JobState.FAILED:
            assert not text.exists()
            return
        words = text.read_text()
        for reason in [one.reason for one in failed] or [job.reason]:
            assert reason and reason in words

    def _published(self, folder: Path, entry: dict[str, Any]) -> None:
        """The files of a finished render are what `result.json` says."""
        assert entry["files"]
        for file in entry["files"]:
            data = (folder / file["name"]).read_bytes()
            assert len(data) == file["size"]
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
        receipt = entry["receipt"]
        with Image.open(folder / entry["files"][0]["name"]) as picture:
            assert picture.size == (receipt["width"], receipt["height"])
        iterations = [step["iteration"] for step in receipt["trace"]]
        assert iterations == sorted(set(iterations)), "an iteration was done twice"
        assert iterations[-1] == receipt["iterations"]

    def inbox(self) -> None:
        """Only pictures and our own files are left, and no claim."""
        for name, _ in self._yard.dropped:
            assert not (self._yard.inbox / name).exists(), f"{name} was not taken"
        assert self._yard.pictures() == self._yard.pictures_put, "a picture was touched"
        taken = self._yard.inbox / TAKEN
        claims = [path for path in taken.rglob("*") if not durable.is_temporary(path.name)]
        assert not claims, f"stale claims: {claims}"
        hidden = {path.name for path in self._yard.inbox.glob(".*")}
        hidden = {name for name in hidden if not durable.is_temporary(name)}
        # A daemon that was killed leaves its owner file; the next one replaces it.
        assert hidden <= {MARKER_NAME, OWNER_NAME, TAKEN.parts[0]}

    def state_folder(self) -> None:
        """No work is left over, every frozen input is whole and belongs to a job."""
        states = {one.id: one.state for renders in self._renders.values() for one in renders}
        for work in (self._yard.state / "renders").glob("*"):
            # The checkpoints of what failed or was cancelled are kept for a retry.
            kept = (RenderState.FAILED, RenderState.CANCELLED)
            assert states.get(work.name) in kept, f"left over: {work}"
        for path in (self._yard.state / "inputs").glob("??/*"):
            if not durable.is_temporary(path.name):
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        for job in self._jobs:
            data = (self._yard.state / "jobs" / job.id / "job.yaml").read_bytes()
            assert hashlib.sha256(data).hexdigest() == job.job_file_sha256

    def temporary_files(self) -> None:
        """None of ours is older than its time."""
        before = time.time() - TEMPORARY_AGE.total_seconds()
        old = [path for path in our_temporary_files(self._yard) if path.stat().st_mtime < before]
        assert not old, f"old temporary files: {old}"


def audit(yard: Yard) -> None:
    """Check everything about a drained yard. Raises AssertionError."""
    ledger = yard.ledger()
    try:
        Audit(yard, ledger).run()
    finally:
        ledger.close()


def audit_after_a_week(yard: Yard) -> None:
    """Check that the next start removes what kills have left of temporary files (rule 23)."""
    if not our_temporary_files(yard):
        return
    week = time.time() - timedelta(days=7).total_seconds()
    for path in our_temporary_files(yard):
        os.utime(path, (week, week))
    # A drain with nothing to do ends after one turn, which sweeps for a tenth of a second only.
    for _ in range(3):
        yard.drain()
        left = our_temporary_files(yard)
        if not left:
            break
    assert not left, f"never removed: {left}"
    audit(yard)


def our_temporary_files(yard: Yard) -> list[Path]:
    """Return the temporary files and folders of ours on the share and in the state folder."""
    return [
        path
        for root in (yard.share, yard.state)
        for path in root.rglob("*")
        if durable.is_temporary(path.name)
    ]


def paintings(yard: Yard) -> Paintings:
    """Return what each finished render came to, by job file and title."""
    ledger = yard.ledger()
    try:
        jobs = ledger.jobs()
    finally:
        ledger.close()
    return {
        (job.source, entry["title"]): Painting(
            files=tuple(sorted((file["name"], file["sha256"]) for file in entry["files"])),
            trace=tuple(
                (step["iteration"], step["width"], step["height"], step["value"],
                 step["evaluations"], step["content"], step["style"], step["tv"])
                for step in entry["receipt"]["trace"]
            ),
        )
        for job in jobs
        for entry in _manifest(yard.outbox / job.folder)
    }  # fmt: skip


def _composed(path: Path) -> str:
    """Return a name as the daemon writes it; some file systems take its accents apart."""
    return unicodedata.normalize("NFC", path.name)


def _manifest(folder: Path) -> list[dict[str, Any]]:
    path = folder / layout.RESULT
    if not path.exists():
        return []
    entries: list[dict[str, Any]] = json.loads(path.read_bytes())["renders"]
    return entries


def _opens(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()
