"""Stopping, starting, draining, and who may have an inbox: rules 10, 15, 19, 20 and 21."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from tests.faults.audit import Paintings, audit, paintings
from tests.faults.conftest import YardMaker
from tests.faults.jobs import MIXED, put_pictures, undisturbed
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

from atelierd.exits import Exit
from atelierd.ledger.states import Outcome
from atelierd.share import MARKER_NAME

#: So long that a fast machine, too, writes two checkpoints on the way: one each 2 s.
LONG = {"long.yaml": {**MIXED["long.yaml"], "iterations": 260}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Paintings:
    """What the long job comes to when nobody stops it."""
    return undisturbed(tmp_path_factory.mktemp("whole") / "yard", random_weights, LONG)


@pytest.fixture
def at_work(yard: Yard) -> DaemonProcess:
    """A daemon in the midst of the long job, with a checkpoint behind it."""
    put_pictures(yard)
    yard.drop("long.yaml", LONG["long.yaml"])
    daemon = yard.start()
    daemon.wait_until(lambda: any(yard.state.glob("renders/*/[0-9]*.checkpoint")), "a checkpoint")
    return daemon


def outcomes(yard: Yard) -> list[Outcome | None]:
    ledger = yard.ledger()
    try:
        (job,) = ledger.jobs()
        return [attempt.outcome for attempt in ledger.attempts(f"{job.id}.0")]
    finally:
        ledger.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_rule_19_told_to_stop_it_leaves_a_checkpoint_and_the_next_start_goes_on_exactly(
    yard: Yard, at_work: DaemonProcess, whole: Paintings, number: signal.Signals
) -> None:
    # As Ctrl-C does: the whole process group has the signal, the worker too.
    os.killpg(at_work.pid, number)
    assert at_work.wait() == Exit.OK
    assert "with a checkpoint" in at_work.log
    assert yard.drain() == Exit.OK
    assert "goes on from the checkpoint at iteration" in yard.processes[-1].log
    assert outcomes(yard) == [Outcome.STOPPED, Outcome.FINISHED]
    audit(yard)
    assert paintings(yard) == whole


def test_rule_19_told_twice_it_stops_at_once_though_its_worker_does_not_answer(
    yard: Yard, at_work: DaemonProcess, whole: Paintings
) -> None:
    (worker,) = at_work.workers()
    worker.suspend()
    at_work.signal(signal.SIGTERM)
    at_work.wait_for("told to stop: stopping at the next iteration")
    time.sleep(1)
    assert at_work.is_alive()
    told = time.monotonic()
    at_work.signal(signal.SIGTERM)
    assert at_work.wait() == Exit.OK
    assert time.monotonic() - told < 20
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    assert yard.drain() == Exit.OK
    assert outcomes(yard) == [Outcome.STOPPED, Outcome.FINISHED]
    audit(yard)
    assert paintings(yard) == whole


def test_rule_20_killed_it_goes_on_from_its_last_checkpoint_exactly(
    yard: Yard, at_work: DaemonProcess, whole: Paintings
) -> None:
    at_work.kill()
    assert yard.drain() == Exit.OK
    assert "goes on from the checkpoint at iteration" in yard.processes[-1].log
    assert outcomes(yard) == [Outcome.INTERRUPTED, Outcome.FINISHED]
    audit(yard)
    assert paintings(yard) == whole


@pytest.mark.parametrize("damage", ["a bit changed", "cut off"])
def test_rule_15_a_damaged_checkpoint_falls_back_to_the_older_one(
    yard: Yard, at_work: DaemonProcess, whole: Paintings, damage: str
) -> None:
    at_work.wait_until(lambda: len(checkpoints(yard)) == 2, "two checkpoints")
    at_work.kill()
    newest = checkpoints(yard)[-1]
    data = bytearray(newest.read_bytes())
    if damage == "cut off":
        del data[len(data) // 2 :]
    else:
        data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    assert yard.drain() == Exit.OK
    assert "falling back to an older checkpoint" in yard.processes[-1].log
    audit(yard)
    assert paintings(yard) == whole


def checkpoints(yard: Yard) -> list[Path]:
    return sorted(yard.state.glob("renders/*/[0-9]*.checkpoint"))


def test_rule_19_told_to_stop_while_it_accepts_it_loses_and_doubles_nothing(yard: Yard) -> None:
    put_pictures(yard)
    for number in range(400):
        yard.drop(f"{number:03d}.yaml", {"content": "a.png", "style": "styles/b.png", "size": 1})
    daemon = yard.start()
    daemon.wait_for("refused", times=20)
    assert daemon.terminate() == Exit.OK
    left = len(list(yard.inbox.glob("*.yaml")))
    assert 0 < left < 400
    yard.drain()
    audit(yard)


def test_rule_21_a_drain_says_how_it_went(yard: Yard, new_yard: YardMaker) -> None:
    """All of the exit codes in one test, for that of a share that is gone takes its minute."""
    cut_off = new_yard("cut off")
    put_pictures(cut_off)
    cut_off.drop("one.yaml", MIXED["one.yaml"])
    marker = cut_off.outbox / MARKER_NAME
    marker.rename(cut_off.root / "marker")
    in_vain = cut_off.start(drain=True)

    assert yard.drain() == Exit.OK, "nothing to do"
    put_pictures(yard)
    yard.drop("one.yaml", MIXED["one.yaml"])
    assert yard.drain() == Exit.OK
    yard.drop("bad.yaml", MIXED["bad.yaml"])
    yard.drop("again.yaml", MIXED["one.yaml"])
    assert yard.drain() == Exit.FAILED
    assert yard.drain() == Exit.OK, "what failed the night before is not told again"
    audit(yard)

    assert in_vain.wait(180) == Exit.KEPT_FROM_WORK
    assert "is the share mounted?" in in_vain.log
    (cut_off.root / "marker").rename(marker)
    assert cut_off.drain() == Exit.OK
    audit(cut_off)


def test_rule_21_a_drain_waits_for_files_that_are_still_being_written(yard: Yard) -> None:
    yard.configure(share={"settle": "1500 ms"})
    put_pictures(yard)
    path = yard.inbox / "slow.yaml"
    text = "content: a.png\nstyle: styles/b.png\nsize: 32x32\niterations: 3\n"
    daemon = yard.start(drain=True)
    for line in text.splitlines(keepends=True):
        with path.open("a") as file:
            file.write(line)
        time.sleep(0.5)
    yard.dropped.append(("slow.yaml", text.encode()))
    assert daemon.wait() == Exit.OK
    audit(yard)


@pytest.mark.parametrize("shared", ["state folder", "inbox"])
def test_rule_10_a_second_daemon_is_refused_and_told_who_has_the_inbox(
    yard: Yard, new_yard: YardMaker, shared: str
) -> None:
    first = yard.start()
    first.wait_for("watching")
    second = yard
    if shared == "inbox":
        second = new_yard("second")
        text = second.config.read_text().replace(str(second.inbox), str(yard.inbox))
        second.config.write_text(text)
        second.runtime = yard.runtime
    refused = second.start()
    assert refused.wait() == Exit.UNAVAILABLE
    assert f"process {first.pid} on" in refused.log
    assert first.is_alive()
    assert first.terminate() == Exit.OK
    after = second.start()
    after.wait_for("watching")
    assert after.terminate() == Exit.OK
