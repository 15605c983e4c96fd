"""Disks that are full at one write or another: rules 12, 13 and 17.

The queue pauses, says so, goes on by itself when there is room; no attempt is burned, nothing is
lost, and no half file gets a name.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.audit import Paintings, audit, audit_after_a_week, paintings
from tests.faults.conftest import YardMaker
from tests.faults.figures import record
from tests.faults.flaky import WRITING, FlakyShare, needs_fuse
from tests.faults.jobs import SMALL, put_pictures, undisturbed
from tests.faults.mounts import small_disk
from tests.faults.yard import Yard

from atelierd.exits import Exit
from atelierd.ledger.states import Outcome
from atelierd.trouble import read_trouble

JOB = {"content": "a.png", "style": "styles/b.png", "iterations": 8, "snapshots": 2, **SMALL}
#: Pages of 4 KiB that are left when a job comes, so that the disk is full at one write or another:
#: each number of these, then every third one up to what a job takes at most (measured).
SPARE = range(16)
MOST = {"state": 100, "outbox": 36}


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Paintings:
    root = tmp_path_factory.mktemp("undisturbed") / "yard"
    return undisturbed(root, random_weights, {"job.yaml": JOB})


@pytest.fixture
def disks() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("place", ["state", "outbox"])
def test_rule_17_a_disk_that_is_full_at_any_write_pauses_the_queue_until_there_is_room(
    new_yard: YardMaker, disks: ExitStack, painted: Paintings, tmp_path: Path, place: str
) -> None:
    root = tmp_path / "yard"
    folder = root / "state" if place == "state" else root / "share" / "outbox"
    disk = disks.enter_context(small_disk(folder, 16))
    yard = new_yard("yard")
    put_pictures(yard)
    # Another third of them in another run.
    others = range(len(SPARE) + random.SystemRandom().randrange(3), MOST[place], 3)
    daemon = yard.start()
    daemon.wait_for("watching")
    too_few = []
    for number, spare in enumerate((*SPARE, *others)):
        disk.fill(spare)
        name = f"{number}.yaml"
        yard.drop(name, JOB)
        daemon.wait_until(
            lambda: bool(read_trouble(yard.state)) or is_shown_done(yard, name),  # noqa: B023
            f"trouble, or the job that came with {spare} pages left",
        )
        if read_trouble(yard.state):
            too_few.append(spare)
        disk.free()
        daemon.wait_until(lambda: is_shown_done(yard, name), name)  # noqa: B023
    record(f"disk-full-{place}", {"pages that were too few": too_few})
    assert len(too_few) > len(SPARE) / 2
    assert daemon.is_alive()
    assert "no space is left there" in daemon.log or "the disk is full" in daemon.log
    daemon.wait_until(lambda: not read_trouble(yard.state), "no more trouble")
    assert daemon.terminate() == Exit.OK
    check(yard, painted)


def test_rule_12_below_the_floor_nothing_is_taken_and_the_daemon_says_so(
    new_yard: YardMaker, disks: ExitStack, tmp_path: Path
) -> None:
    disk = disks.enter_context(small_disk(tmp_path / "yard" / "state", 16))
    yard = new_yard("yard")
    yard.configure(share={"free_space": "6 MiB"})
    put_pictures(yard)
    daemon = yard.start()
    daemon.wait_for("watching")
    disk.fill(spare=1000)
    path = yard.drop("job.yaml", JOB)
    daemon.wait_until(lambda: bool(read_trouble(yard.state)), "trouble")
    assert "at least 6 MiB are kept free" in read_trouble(yard.state)[0]
    assert path.exists()
    disk.free()
    daemon.wait_until(lambda: is_shown_done(yard, "job.yaml"), "the job")
    assert daemon.terminate() == Exit.OK
    audit(yard)


def test_a_start_on_a_full_disk_says_so_and_a_later_one_goes_on(
    new_yard: YardMaker, disks: ExitStack, painted: Paintings, tmp_path: Path
) -> None:
    disk = disks.enter_context(small_disk(tmp_path / "yard" / "state", 16))
    yard = new_yard("yard")
    put_pictures(yard)
    yard.drop("0.yaml", JOB)
    disk.fill()
    first = yard.start()
    assert first.wait() == Exit.KEPT_FROM_WORK
    assert "space" in first.log or "full" in first.log
    disk.free()
    assert yard.drain() == Exit.OK
    check(yard, painted)


@needs_fuse()
@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("create", errno.EDQUOT),
        ("write", errno.ENOSPC),
        ("fsync", errno.EDQUOT),
        ("rename", errno.ENOSPC),
    ],
)
def test_rule_13_an_outbox_that_refuses_one_step_of_a_write_is_written_later(
    yard: Yard, tmp_path: Path, painted: Paintings, operation: str, error: int
) -> None:
    assert operation in WRITING
    real = tmp_path / "real"
    yard.outbox.rename(real)
    yard.outbox.mkdir()
    share = FlakyShare(real, yard.outbox, tmp_path / "orders")
    try:
        put_pictures(yard)
        daemon = yard.start()
        daemon.wait_for("watching")
        for number, after in enumerate((0, 2, 5, 11)):
            share.fail(error, [operation], after)
            name = f"{number}.yaml"
            yard.drop(name, JOB)
            daemon.wait_until(
                lambda: bool(read_trouble(yard.state)) or is_shown_done(yard, name),  # noqa: B023
                f"trouble at {operation} {after}",
            )
            share.behave()
            daemon.wait_until(lambda: is_shown_done(yard, name), name)  # noqa: B023
        assert daemon.terminate() == Exit.OK
        check(yard, painted)
    finally:
        share.unmount()


def is_shown_done(yard: Yard, name: str) -> bool:
    folder = yard.outbox / name.removesuffix(".yaml")
    try:
        return '"state": "done"' in (folder / "status.json").read_text()
    except OSError:
        return False


def check(yard: Yard, painted: Paintings) -> None:
    """Nothing is lost, and every attempt ended well or by the world's fault."""
    audit(yard)
    expected = painted["job.yaml", "a-b"]
    found = paintings(yard)
    assert len(found) == len(yard.dropped)
    assert all(painting == expected for painting in found.values())
    ledger = yard.ledger()
    try:
        for job in ledger.jobs():
            (render,) = ledger.renders(job.id)
            assert render.attempts <= 1
            outcomes = {attempt.outcome for attempt in ledger.attempts(render.id)}
            assert outcomes <= {Outcome.FINISHED, Outcome.WORLD_FAULT}
    finally:
        ledger.close()
    audit_after_a_week(yard)
