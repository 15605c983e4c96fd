"""A share that goes away, fails, or keeps the daemon waiting: rules 6, 11 and 17."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.audit import Paintings, audit, paintings
from tests.faults.flaky import READING, WRITING, FlakyShare, needs_fuse
from tests.faults.jobs import MIXED, put_pictures, undisturbed
from tests.faults.mounts import bound, mount
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

from atelierd.exits import Exit
from atelierd.ledger.states import Outcome
from atelierd.trouble import read_trouble

JOBS = {"long.yaml": MIXED["long.yaml"], "one.yaml": MIXED["one.yaml"]}
fuse = needs_fuse()


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Paintings:
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "yard", random_weights, JOBS)


@pytest.fixture
def mounts() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def real(yard: Yard, tmp_path: Path) -> Path:
    """The folder that the server has; `yard.share` is an empty mount point for it."""
    real = tmp_path / "real"
    yard.share.rename(real)
    yard.share.mkdir()
    return real


@pytest.fixture
def flaky(yard: Yard, real: Path, tmp_path: Path) -> Iterator[FlakyShare]:
    """The share as one that fails on request."""
    share = FlakyShare(real, yard.share, tmp_path / "orders")
    yield share
    yard.end()
    share.unmount()


@pytest.mark.parametrize("when", ["while it paints", "before anything is taken"])
def test_rule_11_an_unmounted_share_pauses_the_queue_and_its_empty_folder_stays_empty(
    yard: Yard, real: Path, mounts: ExitStack, painted: Paintings, when: str
) -> None:
    share = mounts.enter_context(ExitStack())
    share.enter_context(bound(real, yard.share))
    put_pictures(yard)
    daemon = yard.start()
    daemon.wait_for("watching")
    if when == "while it paints":
        drop(yard)
        wait_for_checkpoint(yard, daemon)
    share.close()
    # A look that had just begun may say it in other words.
    daemon.wait_until(
        lambda: any("is the share mounted?" in one for one in read_trouble(yard.state)), "trouble"
    )
    assert not list(yard.share.iterdir()), "the mount point was written to"
    mounts.enter_context(bound(real, yard.share))
    if when != "while it paints":
        drop(yard)
    finish(yard, daemon, painted)


def test_rule_17_a_share_that_is_read_only_for_a_while_pauses_the_queue(
    yard: Yard, real: Path, mounts: ExitStack, painted: Paintings
) -> None:
    mounts.enter_context(bound(real, yard.share))
    put_pictures(yard)
    drop(yard)
    daemon = yard.start()
    wait_for_checkpoint(yard, daemon)
    mount("-o", "remount,ro,bind", str(yard.share))
    wait_for_trouble(yard, daemon)
    assert "the file system is read-only" in read_trouble(yard.state)[0]
    mount("-o", "remount,rw,bind", str(yard.share))
    finish(yard, daemon, painted)


@fuse
@pytest.mark.parametrize(
    ("operations", "error", "words"),
    [
        (READING, errno.ESTALE, "the share is not connected"),
        (WRITING, errno.EIO, "reports an error"),
        (WRITING, errno.EACCES, "access is denied"),
    ],
)
def test_rule_17_a_share_that_fails_pauses_the_queue_and_its_end_is_noticed(
    yard: Yard,
    flaky: FlakyShare,
    painted: Paintings,
    operations: tuple[str, ...],
    error: int,
    words: str,
) -> None:
    put_pictures(yard)
    drop(yard)
    daemon = yard.start()
    wait_for_checkpoint(yard, daemon)
    flaky.fail(error, operations)
    wait_for_trouble(yard, daemon)
    assert any(words in one for one in read_trouble(yard.state))
    flaky.behave()
    finish(yard, daemon, painted)


@fuse
def test_rule_18_a_picture_on_a_bad_sector_keeps_only_its_own_job_waiting(
    yard: Yard, flaky: FlakyShare, real: Path
) -> None:
    put_pictures(yard)
    yard.picture("broken.png", 40, 34, seed=1)
    flaky.fail(errno.EIO, ["read"], only="broken.png")
    yard.drop("a.yaml", {**MIXED["one.yaml"], "content": "broken.png"})
    yard.drop("b.yaml", MIXED["one.yaml"])
    assert yard.drain() == Exit.KEPT_FROM_WORK
    reason = "broken.png: the disk or the share failed while it was read"
    assert f"left in the inbox: a.yaml: {reason}" in yard.processes[-1].log
    assert len(done(yard)) == 1
    flaky.behave()
    assert yard.drain() == Exit.OK
    audit(yard)


@fuse
def test_rule_06_a_server_that_dies_and_comes_back_is_found_again(
    yard: Yard, flaky: FlakyShare, painted: Paintings
) -> None:
    put_pictures(yard)
    drop(yard)
    daemon = yard.start()
    wait_for_checkpoint(yard, daemon)
    flaky.crash()
    wait_for_trouble(yard, daemon)
    assert any("the share is not connected" in one for one in read_trouble(yard.state))
    flaky.unmount()
    flaky.mount()
    finish(yard, daemon, painted)


@fuse
def test_a_share_that_hangs_is_told_by_status_and_the_work_goes_on_when_it_answers(
    yard: Yard, flaky: FlakyShare, painted: Paintings
) -> None:
    put_pictures(yard)
    drop(yard)
    daemon = yard.start()
    wait_for_checkpoint(yard, daemon)
    flaky.dawdle(13, ("readdir", "create"))
    wait_for_trouble(yard, daemon)
    assert "does not answer, for 1" in read_trouble(yard.state)[0]
    status = yard.command("status")
    assert "does not answer, for 1" in " ".join(status.split())
    flaky.behave()
    finish(yard, daemon, painted)
    assert "has answered, after" in daemon.log


@fuse
def test_rule_06_a_share_without_events_is_scanned_and_a_slow_one_is_worked_on(
    yard: Yard, flaky: FlakyShare, real: Path, painted: Paintings
) -> None:
    put_pictures(yard)
    flaky.dawdle(0.005, (*READING, *WRITING))
    daemon = yard.start()
    daemon.wait_for("watching")
    # Written on the server: the daemon's machine has no event of it.
    drop(yard, real / "inbox")
    finish(yard, daemon, painted)


def drop(yard: Yard, inbox: Path | None = None) -> None:
    for name, job in JOBS.items():
        yard.drop(name, job, inbox)


def wait_for_checkpoint(yard: Yard, daemon: DaemonProcess) -> None:
    daemon.wait_until(lambda: any(yard.state.glob("renders/*/[0-9]*.checkpoint")), "a checkpoint")


def wait_for_trouble(yard: Yard, daemon: DaemonProcess) -> None:
    daemon.wait_until(lambda: bool(read_trouble(yard.state)), "trouble")


def finish(yard: Yard, daemon: DaemonProcess, painted: Paintings) -> None:
    """All jobs end well, to the same bytes, and no attempt was burned."""
    daemon.wait_until(lambda: len(done(yard)) == len(JOBS), "the jobs", timeout=150)
    assert not read_trouble(yard.state)
    assert daemon.terminate() == Exit.OK
    audit(yard)
    assert paintings(yard) == painted
    ledger = yard.ledger()
    try:
        outcomes = {
            attempt.outcome
            for job in ledger.jobs()
            for render in ledger.renders(job.id)
            for attempt in ledger.attempts(render.id)
        }
    finally:
        ledger.close()
    assert outcomes <= {Outcome.FINISHED, Outcome.STOPPED, Outcome.WORLD_FAULT}


def done(yard: Yard) -> list[Path]:
    """Return the statuses of jobs that are done, as the server has them: a look costs nothing."""
    statuses = (yard.root.parent / "real" / "outbox").glob("*/status.json")
    return [path for path in statuses if '"state": "done"' in path.read_text()]
