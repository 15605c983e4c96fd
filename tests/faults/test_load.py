"""Five thousand job files at once on an idle daemon: all accepted, in little memory and time.

The figures are in build/faults/load.json. They are held to bounds with a wide margin, for machines
that run tests are busy with other things, too. Rules 6 and 20.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from tests.faults.audit import Audit
from tests.faults.figures import record
from tests.faults.jobs import MIXED, put_pictures
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

from atelierd.exits import Exit
from atelierd.inbox.keeper import Inbox, InboxPlan
from atelierd.inbox.owner import Ownership
from atelierd.jobs.presets import shipped_config
from atelierd.ledger import Ledger
from atelierd.share import init_share

JOBS = 5_000
#: What is wanted, and how much slower a busy machine may be.
SCAN_SECONDS, STATUS_SECONDS, MARGIN = 1.0, 0.5, 4.0
#: MiB that the daemon may grow by: some hundreds of bytes a job, and what libraries keep.
GROWTH = 64


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_job_files_at_once_are_all_accepted_in_flat_memory(yard: Yard) -> None:
    # As the settings are where nothing is said: the more often it scans, the less it accepts.
    yard.configure(share={"settle": "2 s", "scan_interval": "5 s"})
    put_pictures(yard)
    # The first of them keeps the device busy; the others wait in the queue.
    job = {**MIXED["one.yaml"], "iterations": 100_000, "snapshots": 1}
    daemon = yard.start()
    daemon.wait_for("watching")
    yard.drop("first.yaml", job)
    daemon.wait_for("objective compiled")
    time.sleep(2)
    memory = Memory(daemon)
    before = memory.now()
    dropped_in = timed(lambda: [yard.drop(f"{n:04d}.yaml", job) for n in range(JOBS)])
    began = time.monotonic()
    daemon.wait_until(lambda: memory.watch() and accepted(yard) > JOBS, "all jobs", timeout=600)
    accepted_in = time.monotonic() - began
    status_in = statistics.median(timed(lambda: yard.command("status")) for _ in range(5))
    after = memory.now()
    assert daemon.terminate() == Exit.OK
    ledger = yard.ledger()
    try:
        audit = Audit(yard, ledger)
        audit.inbox()
        assert {job.source for job in ledger.jobs()} == {name for name, _ in yard.dropped}
    finally:
        ledger.close()
    figures = {
        "jobs": JOBS,
        "dropped in, in seconds": round(dropped_in, 1),
        "accepted in, in seconds": round(accepted_in, 1),
        "status answers in, in seconds": round(status_in, 3),
        "memory before, in MiB": before,
        "memory at most, in MiB": memory.most,
        "memory after, in MiB": after,
    }
    record("load", figures)
    assert status_in < STATUS_SECONDS * MARGIN
    assert memory.most - before < GROWTH


class Memory:
    """The resident memory of the daemon alone, in MiB; its workers are apart."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._process = psutil.Process(daemon.pid)
        self.most = 0.0

    def now(self) -> float:
        return round(self._process.memory_info().rss / 2**20, 1)

    def watch(self) -> bool:
        self.most = max(self.most, self.now())
        return True


def accepted(yard: Yard) -> int:
    ledger = yard.ledger()
    try:
        return sum(ledger.counts().jobs.values())
    finally:
        ledger.close()


def timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


@pytest.mark.slow
def test_a_scan_of_thousands_of_waiting_files_takes_less_than_a_second(tmp_path: Path) -> None:
    share, state = tmp_path / "share", tmp_path / "state"
    init_share(share)
    state.mkdir()
    for number in range(JOBS):
        text = f"content: photos/{number}.jpg\nstyle: starry.jpg\n"
        (share / "inbox" / f"{number:04d}.yaml").write_text(text)
    now = 0.0
    ownership = Ownership.take(
        share / "inbox", state=state, runtime=tmp_path, now=now, wall=datetime.now(UTC)
    )
    ledger = Ledger.open(state / "ledger.sqlite")
    plan = InboxPlan(
        inbox=share / "inbox",
        outbox=share / "outbox",
        state=state,
        presets=(shipped_config() / "presets",),
        settle=timedelta(seconds=1),
        missing_timeout=timedelta(hours=1),
        free_space=0,
    )
    inbox = Inbox(plan, ledger, ownership, folder_taken=lambda _: False)
    try:
        scans: list[float] = []
        unread = JOBS
        while unread or len(scans) < 10:
            now += 2
            began = time.monotonic()
            waiting = inbox.turn(now, datetime.now(UTC)).waiting
            scans.append(time.monotonic() - began)
            assert len(waiting) == JOBS
            unread = sum(not one.reason.startswith("waiting for photos/") for one in waiting)
        later = statistics.median(scans[-3:])
    finally:
        ledger.close()
        ownership.release()
    figures = {
        "waiting files": JOBS,
        "scans until all were read": len(scans),
        "longest scan, in seconds": round(max(scans), 3),
        "later scans, in seconds": round(later, 3),
    }
    record("scan", figures)
    assert later < SCAN_SECONDS * MARGIN
