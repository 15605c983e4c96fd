"""Hundreds of kills at random moments over a queue that is never empty: nothing lost or doubled.

Rules 8, 9, 13, 14, 15, 16, 18, 19, 20 and 23.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from tests.faults.audit import Paintings, audit, audit_after_a_week, paintings
from tests.faults.figures import record
from tests.faults.jobs import MIXED, put_pictures, undisturbed
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

KILLS = 210
#: Waves of jobs that wait at any time: something is always being accepted, rendered, published.
UNFINISHED_AT_LEAST = 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_hundreds_of_random_kills_lose_and_double_nothing(
    yard: Yard, tmp_path: Path, random_weights: Path
) -> None:
    expected = undisturbed(tmp_path / "undisturbed", random_weights, MIXED)
    seed = random.SystemRandom().randrange(10**6)
    sys.stdout.write(f"the soak's seed is {seed}\n")
    soak = Soak(yard, random.Random(seed))
    began = time.monotonic()
    soak.run(KILLS)
    killed_for = time.monotonic() - began
    assert yard.drain(timeout=600) in (0, 1)
    audit(yard)
    found = paintings(yard)
    assert found
    assert_same(found, expected)
    audit_after_a_week(yard)
    record(
        "soak",
        {
            "seed": seed,
            "kills": dict(soak.kills),
            "seconds of killing": round(killed_for),
            "jobs": len(yard.dropped),
            "renders": len(found),
            "attempts": soak.attempts(),
        },
    )


def assert_same(found: Paintings, expected: Paintings) -> None:
    """Each render of each wave is what it is without a kill, to the last bit."""
    for (source, title), painting in found.items():
        same = expected[Path(source).name, title]
        assert painting == same, f"{source}: {title} differs"


class Soak:
    """Keeps a queue filled and a daemon running, and kills."""

    def __init__(self, yard: Yard, chance: random.Random) -> None:
        self._yard = yard
        self._chance = chance
        self._waves = 0
        self.kills: Counter[str] = Counter()
        put_pictures(yard)

    def run(self, kills: int) -> None:
        daemon = self._yard.start()
        while self.kills.total() < kills:
            self._fill()
            self._sleep()
            if not daemon.is_alive():
                raise AssertionError(f"the daemon ended by itself:\n{daemon.log}")
            kind = self._chance.choices(["daemon", "worker", "both"], [45, 40, 15])[0]
            if not self._kill(daemon, kind):
                continue
            self.kills[kind] += 1
            if not daemon.is_alive():
                daemon = self._yard.start()
        daemon.end()

    def attempts(self) -> dict[str, int]:
        """Return how the attempts at all renders ended."""
        ledger = self._yard.ledger()
        try:
            return dict(
                Counter(
                    str(attempt.outcome)
                    for job in ledger.jobs()
                    for render in ledger.renders(job.id)
                    for attempt in ledger.attempts(render.id)
                )
            )
        finally:
            ledger.close()

    def _fill(self) -> None:
        if self._unfinished() >= UNFINISHED_AT_LEAST:
            return
        self._waves += 1
        for name, job in self._chance.sample(list(MIXED.items()), len(MIXED)):
            self._yard.drop(f"wave-{self._waves:02d}/{name}", job)

    def _unfinished(self) -> int:
        """Count what waits in the inbox and what is shown in the outbox as not finished."""
        # Not `rglob`, which fails when the folder of a claim is removed while it looks.
        found = os.walk(self._yard.inbox)
        waiting = sum(name.endswith(".yaml") for _, _, names in found for name in names)
        try:
            status = json.loads((self._yard.outbox / "status.json").read_bytes())
        except FileNotFoundError:
            return waiting
        return waiting + int(status["jobs"]["queued"]) + int(status["jobs"]["running"])

    def _sleep(self) -> None:
        """Sleep for a time that often ends while daemon or worker are starting up."""
        low, high = self._chance.choices([(0.0, 0.8), (0.8, 3.0), (3.0, 7.0)], [25, 35, 40])[0]
        time.sleep(self._chance.uniform(low, high))

    def _kill(self, daemon: DaemonProcess, kind: str) -> bool:
        """Kill; return whether there was something to be killed."""
        workers = daemon.workers() if kind != "daemon" else []
        if kind != "daemon" and not workers:
            return False
        for worker in workers:
            try:
                worker.kill()
            except psutil.NoSuchProcess:
                return False
        if kind != "worker":
            daemon.kill()
        return True
