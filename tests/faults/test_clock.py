"""Clocks that jump: nothing but the dates in names and pages may depend on them.

Rules 1, 9 and 23: readiness is measured by the monotonic clock, ids stay unique, and no jump makes
a file look old enough to be swept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.audit import audit, paintings
from tests.faults.jobs import MIXED, put_pictures, undisturbed
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

from atelierd.exits import Exit

JOB = MIXED["one.yaml"]
JUMPS = (timedelta(days=2), -timedelta(days=400), timedelta(hours=1), -timedelta(hours=1))


def library() -> str | None:
    """Return where libfaketime is, None if it is not installed."""
    faketime = shutil.which("faketime")
    if faketime is None:
        return None
    command = [faketime, "-f", "+0d", "printenv", "LD_PRELOAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


@pytest.fixture
def faketime() -> str:
    found = library()
    if found is None and os.environ.get("ATELIERD_REQUIRE_FAKETIME") == "1":
        pytest.fail("ATELIERD_REQUIRE_FAKETIME is set, but faketime is not installed")
    if found is None:
        pytest.skip("faketime is not installed (Debian: apt-get install faketime)")
    return found


def test_rule_01_clocks_that_jump_hurry_and_delay_nothing(
    yard: Yard, tmp_path: Path, random_weights: Path, faketime: str
) -> None:
    offset = tmp_path / "offset"
    jump(offset, timedelta(0))
    put_pictures(yard)
    daemon = yard.start(
        environment={
            "LD_PRELOAD": faketime,
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    daemon.wait_for("watching")
    for number, by in enumerate(JUMPS):
        # The same name each time: with the clock set back, its id might come again.
        jump(offset, by)
        yard.drop("again.yaml", JOB)
        daemon.wait_for("accepted again.yaml", times=number + 1)
        jump(offset, -by)
        wait_for_done(yard, daemon, number + 1)
    assert daemon.terminate() == Exit.OK
    audit(yard)
    ledger = yard.ledger()
    days = {job.id[:8] for job in ledger.jobs()}
    ledger.close()
    assert len(days) > 1, "the clock did not jump"
    (expected,) = undisturbed(
        tmp_path / "undisturbed", random_weights, {"again.yaml": JOB}
    ).values()
    assert set(paintings(yard).values()) == {expected}


def jump(offset: Path, by: timedelta) -> None:
    new = offset.with_suffix(".new")
    new.write_text(f"{by.total_seconds():+.0f}\n")
    new.replace(offset)


def wait_for_done(yard: Yard, daemon: DaemonProcess, number: int) -> None:
    def met() -> bool:
        statuses = [path.read_text() for path in yard.outbox.glob("*/status.json")]
        return sum('"state": "done"' in text for text in statuses) == number

    daemon.wait_until(met, f"{number} jobs")
