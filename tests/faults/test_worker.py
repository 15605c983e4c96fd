"""Workers that stop, hang, die and run out of memory: rules 16, 17 and 18."""

from __future__ import annotations

import json
import re
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tests.faults.audit import Paintings, audit, paintings
from tests.faults.jobs import MIXED, SMALL, put_pictures, undisturbed
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

from atelierd.exits import Exit
from atelierd.ledger.states import Outcome, RenderState

LONG = {"long.yaml": MIXED["long.yaml"]}
#: Bytes beyond what a worker has already that it may take: less than a large picture needs.
SCARCE = 700 * 2**20
#: Less than it needs when its blocks are recomputed, too, which is what is tried next.
TOO_SCARCE = 300 * 2**20


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Paintings:
    """What the long job comes to when nobody disturbs it."""
    return undisturbed(tmp_path_factory.mktemp("whole") / "yard", random_weights, LONG)


def attempts(yard: Yard, source: str) -> list[tuple[Outcome | None, str]]:
    """Return how the attempts at the first render of a job ended, and why."""
    ledger = yard.ledger()
    try:
        (job,) = [job for job in ledger.jobs() if job.source == source]
        return [(one.outcome, one.reason) for one in ledger.attempts(f"{job.id}.0")]
    finally:
        ledger.close()


def the_worker(daemon: DaemonProcess) -> psutil.Process:
    daemon.wait_until(lambda: bool(daemon.workers()), "a worker")
    (worker,) = daemon.workers()
    return worker


def has_checkpoint(yard: Yard) -> bool:
    return any(yard.state.glob("renders/*/[0-9]*.checkpoint"))


def test_a_worker_that_is_stopped_for_a_while_goes_on_as_if_nothing_had_been(
    yard: Yard, whole: Paintings
) -> None:
    put_pictures(yard)
    yard.drop("long.yaml", LONG["long.yaml"])
    daemon = yard.start(drain=True)
    daemon.wait_until(lambda: has_checkpoint(yard), "a checkpoint")
    worker = the_worker(daemon)
    worker.suspend()
    time.sleep(4)
    worker.resume()
    assert daemon.wait() == Exit.OK
    assert attempts(yard, "long.yaml") == [(Outcome.FINISHED, "")]
    audit(yard)
    assert paintings(yard) == whole


def test_rule_17_a_worker_that_hangs_is_replaced_and_the_render_goes_on_exactly(
    yard: Yard, whole: Paintings
) -> None:
    # A worker that is new needs some of it to load its framework.
    yard.configure(work={"hang_after": "20 s"})
    put_pictures(yard)
    yard.drop("long.yaml", LONG["long.yaml"])
    daemon = yard.start(drain=True)
    daemon.wait_until(lambda: has_checkpoint(yard), "a checkpoint")
    worker = the_worker(daemon)
    worker.suspend()
    assert daemon.wait() == Exit.OK
    assert not worker.is_running()
    assert "goes on from the checkpoint at iteration" in daemon.log
    (hung, reason), finished = attempts(yard, "long.yaml")
    assert hung is Outcome.NODE_FAULT
    assert "has not reported for 0:00:20" in reason
    assert finished == (Outcome.FINISHED, "")
    audit(yard)
    assert paintings(yard) == whole


def test_rule_16_a_render_that_kills_its_worker_each_time_fails_in_words_and_others_go_on(
    yard: Yard,
) -> None:
    yard.configure(work={"attempts": 2})
    put_pictures(yard)
    # The workers die in their second iteration; the other job has only one.
    yard.drop("a-killer.yaml", {**MIXED["one.yaml"]})
    yard.drop("b-other.yaml", {**MIXED["one.yaml"], "iterations": 1})
    daemon = yard.start(drain=True, failpoint="segment.iterated:2")
    assert daemon.wait() == Exit.FAILED
    (first, died), (second, gave_up) = attempts(yard, "a-killer.yaml")
    assert first is second is Outcome.NODE_FAULT
    assert died == "the worker process died"
    assert re.fullmatch(f"2 attempts came no further than iteration [01]: {died}", gave_up)
    assert attempts(yard, "b-other.yaml") == [(Outcome.FINISHED, "")]
    assert gave_up in (yard.outbox / "a-killer" / "error.txt").read_text()
    audit(yard)


def test_rule_17_a_worker_that_runs_out_of_memory_is_replaced_and_the_render_succeeds(
    yard: Yard,
) -> None:
    # In tiles, an evaluation may take a minute on a busy machine.
    yard.configure(work={"hang_after": "10 min"})
    put_pictures(yard)
    yard.drop("warm.yaml", {**MIXED["one.yaml"], "iterations": 60, "priority": 9})
    yard.drop("large.yaml", {**SMALL, "content": "a.png", "style": "styles/b.png",
                             "size": 640, "iterations": 1})  # fmt: skip
    daemon = yard.start(drain=True)
    daemon.wait_for("objective compiled")
    squeeze(the_worker(daemon))
    assert daemon.wait(240) == Exit.OK
    (failed, reason), finished = attempts(yard, "large.yaml")
    assert failed is Outcome.NODE_FAULT
    assert "memory" in reason or "died" in reason
    assert finished == (Outcome.FINISHED, "")
    audit(yard)


def test_rule_18_a_render_that_never_has_memory_enough_fails_and_the_others_go_on(
    yard: Yard,
) -> None:
    yard.configure(work={"attempts": 2})
    put_pictures(yard)
    yard.drop("large.yaml", {**SMALL, "content": "a.png", "style": "styles/b.png",
                             "size": 640, "iterations": 1, "priority": 9})  # fmt: skip
    yard.drop("small.yaml", MIXED["one.yaml"])
    daemon = yard.start(drain=True)
    with squeezing(daemon, left=TOO_SCARCE):
        assert daemon.wait(240) == Exit.FAILED
    assert [outcome for outcome, _ in attempts(yard, "large.yaml")] == [Outcome.NODE_FAULT] * 2
    assert attempts(yard, "small.yaml")[-1] == (Outcome.FINISHED, "")
    assert "2 attempts came no further" in (yard.outbox / "large" / "error.txt").read_text()
    audit(yard)


def test_rule_17_a_picture_that_cannot_fit_into_memory_is_refused_before_it_starts(
    yard: Yard,
) -> None:
    put_pictures(yard)
    yard.drop("huge.yaml", {**MIXED["one.yaml"], "size": "30000x30000"})
    yard.drop("one.yaml", MIXED["one.yaml"])
    assert yard.drain() == Exit.FAILED
    ledger = yard.ledger()
    try:
        (huge,) = [job for job in ledger.jobs() if job.source == "huge.yaml"]
        (render,) = ledger.renders(huge.id)
    finally:
        ledger.close()
    assert render.state is RenderState.FAILED
    assert render.iteration == 0
    words = (yard.outbox / "huge" / "error.txt").read_text()
    assert "30000 x 30000 needs about" in words
    assert "the largest that fits is" in words
    assert attempts(yard, "huge.yaml")[0][0] is Outcome.JOB_FAULT
    assert json.loads((yard.outbox / "one" / "result.json").read_bytes())
    audit(yard)


def squeeze(worker: psutil.Process, left: int = SCARCE) -> None:
    """Let a worker take no more than `left` bytes beside what it has."""
    limit = worker.memory_info().vms + left
    worker.rlimit(resource.RLIMIT_AS, (limit, limit))


@contextmanager
def squeezing(daemon: DaemonProcess, left: int) -> Iterator[None]:
    """Squeeze every worker that the daemon starts, once it has loaded its framework."""
    ended = threading.Event()

    def run() -> None:
        squeezed = set()
        while not ended.wait(0.05):
            for worker in daemon.workers():
                with suppress(psutil.Error):
                    loaded = worker.memory_info().rss > 350 * 2**20
                    if loaded and worker.pid not in squeezed:
                        squeeze(worker, left)
                        squeezed.add(worker.pid)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
