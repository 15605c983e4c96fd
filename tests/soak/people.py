"""What people do to a daemon all day: jobs good and bad, second thoughts, late pictures."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.jobs import MIXED, SMALL, put_pictures
from tests.faults.yard import Yard, draw_picture

from atelierd.ledger.states import Action, JobState

#: Gives the seconds until it is to be gone on with.
Errand = Iterator[float]
#: Seconds that a daemon may take for anything, on a machine that is busy with other things.
PATIENCE = 900.0
_LOOK_EVERY = 0.5
_FAILING = {
    "unknown-key.yaml": {"content": "a.png", "stile": "styles/b.png"},
    "broken-picture.yaml": {"content": "broken.png", "style": "styles/b.png", **SMALL},
    "negative.yaml": {"content": "a.png", "style": "styles/b.png", "iterations": -3},
    "no-yaml.yaml": "content: [a.png\nstyle: }\n",
    "binary.yaml": b"\x00\xff\x00\xfe job?",
}


class People:
    """Whoever uses one share."""

    def __init__(self, yard: Yard, chance: random.Random) -> None:
        self._yard = yard
        self._chance = chance
        self._number = 0
        self.done: Counter[str] = Counter()
        """How often each thing was done."""
        put_pictures(yard)
        broken = yard.inbox / "broken.png"
        broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
        yard.pictures_put["broken.png"] = (broken.stat().st_mtime_ns, broken.read_bytes())

    def good_job(self) -> Errand:
        """Drop one of the jobs that end well."""
        name = self._chance.choice([one for one in MIXED if one != "bad.yaml"])
        self._drop(name, MIXED[name])
        yield 0.0

    def bad_job(self) -> Errand:
        """Drop a job that cannot end well."""
        name = self._chance.choice(list(_FAILING))
        self._drop(name, _FAILING[name])
        yield 0.0

    def late_picture(self) -> Errand:
        """Drop a job, and its picture a while later, written slowly."""
        self._number += 1
        name = f"late-{self._number:04d}.png"
        job = {"content": name, "style": "styles/b.png", "iterations": 4, **SMALL}
        self._drop("late.yaml", job)
        yield self._chance.uniform(1, 6)
        spare = self._yard.root / "spare.png"
        draw_picture(spare, 40, 34, seed=self._number)
        data, path = spare.read_bytes(), self._yard.inbox / name
        path.write_bytes(data[:100])
        yield 0.3
        with path.open("ab") as file:
            file.write(data[100:])
        self._yard.pictures_put[name] = (path.stat().st_mtime_ns, data)

    def second_thoughts(self) -> Errand:
        """Hold, release, cancel and retry a long job, as the commands do."""
        name = self._drop("long.yaml", MIXED["long.yaml"])
        yield from self.until(lambda: self._job_id(name) is not None, f"{name} to be accepted")
        for action in self._chance.choice(
            [
                (Action.CANCEL,),
                (Action.CANCEL, Action.RETRY),
                (Action.HOLD, Action.RELEASE),
                (Action.HOLD, Action.RELEASE, Action.CANCEL),
                (Action.HOLD, Action.CANCEL, Action.RETRY),
            ]
        ):
            yield self._chance.uniform(0.2, 3)
            self.ask(action, name)

    def try_again(self) -> Errand:
        """Retry a job that has failed; it will fail once more."""
        ledger = self._yard.ledger()
        try:
            failed = ledger.jobs((JobState.FAILED,), 5)
            names = [job.source for job in failed if ledger.renders(job.id)]
        finally:
            ledger.close()
        for name in names[:1]:
            self.ask(Action.RETRY, name)
        yield 0.0

    def control_files(self) -> Errand:
        """Cancel a job by a file in its folder."""
        name = self._drop("long.yaml", MIXED["long.yaml"])
        folder: Path | None = None
        yield from self.until(lambda: self._folder(name) is not None, f"a folder for {name}")
        folder = self._folder(name)
        assert folder is not None
        (folder / "cancel").touch()
        yield from self.until(lambda: not (folder / "cancel").exists(), "an answer to cancel")

    def idle(self) -> bool:
        """Whether nothing waits in the inbox and no job is to be worked on."""
        # Not `rglob`, which fails when the folder of a claim is removed while it looks.
        found = os.walk(self._yard.inbox)
        if any(name.endswith(".yaml") for _, _, names in found for name in names):
            return False
        ledger = self._yard.ledger()
        try:
            counts = ledger.counts().jobs
        finally:
            ledger.close()
        return not any(counts[one] for one in (JobState.QUEUED, JobState.RUNNING, JobState.HELD))

    def until(self, met: Callable[[], bool], what: str) -> Errand:
        """Wait until something is so. Raises AssertionError if it never comes to that."""
        waited = 0.0
        while not met():
            assert waited < PATIENCE, f"{what}: not within {PATIENCE:.0f} s"
            waited += _LOOK_EVERY
            yield _LOOK_EVERY

    def _drop(self, name: str, job: object) -> str:
        self._number += 1
        path = f"{self._number:05d}/{name}"
        self._yard.drop(path, job)  # type: ignore[arg-type]
        return path

    def ask(self, action: Action, source: str) -> None:
        """Ask for something to be done with a job, as the commands do; its time may be over."""
        job_id = self._job_id(source)
        assert job_id is not None
        ledger = self._yard.ledger()
        try:
            ledger.request(action, job_id)
        finally:
            ledger.close()
        self.done[str(action)] += 1

    def _job_id(self, source: str) -> str | None:
        ledger = self._yard.ledger()
        try:
            return next((job.id for job in ledger.jobs() if job.source == source), None)
        finally:
            ledger.close()

    def _folder(self, source: str) -> Path | None:
        ledger = self._yard.ledger()
        try:
            for job in ledger.jobs():
                folder = self._yard.outbox / job.folder
                if job.source == source and (folder / "status.json").exists():
                    return folder
        finally:
            ledger.close()
        return None
