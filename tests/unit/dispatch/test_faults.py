"""What the dispatcher does with faults of every kind (rules 11, 12 and 16 to 18)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from atelierd.errors import AtelierError, JobFault, NodeFault, OutOfMemoryFault, WorldFault
from atelierd.ledger.states import Outcome
from atelierd.share import MARKER_NAME

Bench = Any


def test_rule_16_an_attempt_is_on_disk_before_the_worker_has_the_order(bench: Bench) -> None:
    bench.add("a")
    counted: list[int] = []
    bench.worker.at_submit = lambda order: counted.append(
        len([one for one in bench.ledger.attempts("a.0") if one.finished_at is None])
    )
    bench.turn()
    assert counted == [1]
    assert bench.ledger.attempts("a.0")[0].worker_pid == bench.worker.pid


@pytest.mark.parametrize(
    "fault",
    [NodeFault("the worker process died"), OutOfMemoryFault("no memory is left"), ValueError("?")],
)
def test_rule_16_after_n_attempts_a_render_fails_in_words(bench: Bench, fault: Exception) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    for attempt in range(1, 4):
        assert bench.order.render_id == "a.0"
        assert bench.render("a").attempts == attempt
        bench.end(fault)
        assert len(bench.worker.replaced) == attempt
    assert bench.state_of("a") == "failed"
    reason = bench.ledger.job_by_id("a").reason
    assert "3 attempts came no further than iteration 0" in reason and str(fault) in reason
    assert bench.order.render_id == "b.0", "rule 18: the next one goes on"


def test_rule_16_attempts_that_came_further_do_not_count(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    for round_ in range(1, 6):
        bench.end(bench.report(5 * round_, saved=True))
        bench.end(NodeFault("the worker process died"))
        assert bench.state_of("a") == "running"
    assert bench.render("a").attempts == 1


def test_rule_16_a_render_that_kills_the_daemon_itself_is_given_up(bench: Bench) -> None:
    bench.add("a")
    for _ in range(3):
        bench.turn()
        assert bench.state_of("a") == "running"
        bench.start_anew()
    bench.turn()
    assert bench.state_of("a") == "failed"
    assert bench.worker.orders == []


def test_rule_17_a_fault_of_the_job_fails_it_at_once(bench: Bench) -> None:
    bench.add("a", renders=2)
    bench.turn()
    work = bench.picture("00000005.checkpoint").parent
    bench.end(JobFault("photo.png is broken"))
    assert str(bench.render("a", 0).state) == "failed"
    assert bench.render("a", 0).reason == "photo.png is broken"
    assert not work.exists()
    assert bench.worker.replaced == []
    assert bench.order.render_id == "a.1"
    bench.end(bench.finished())
    assert bench.state_of("a") == "failed"


def test_rule_17_a_fault_of_the_world_pauses_the_queue_and_burns_no_attempt(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    for round_ in range(1, 8):
        assert len(bench.worker.orders) == round_
        bench.end(WorldFault("the state folder is full"))
        assert bench.dispatcher.fault == "the state folder is full"
        assert bench.state_of("a") == "queued" and bench.render("a").attempts == 0
        pause = min(2.0 ** (round_ - 1), 60.0)
        bench.turn(pause - 0.5)
        assert len(bench.worker.orders) == round_, "too early"
        bench.turn(1.0)
        assert bench.dispatcher.fault is not None, "it is over when something has succeeded"
    bench.end(bench.report(5))
    assert bench.dispatcher.fault is None
    assert bench.state_of("a") == "running"


def test_rule_17_after_a_fault_of_the_world_a_new_process_is_used(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.end(WorldFault("there is no device"))
    assert bench.worker.replaced == ["there is no device"]


def test_rule_17_a_worker_that_does_not_report_is_replaced(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.turn(14 * 60)
    assert bench.worker.replaced == []
    bench.turn(61)
    assert len(bench.worker.replaced) == 1
    assert len(bench.worker.orders) == 2 and bench.render("a").attempts == 2
    first = bench.ledger.attempts("a.0")[0]
    assert first.outcome is Outcome.NODE_FAULT and "has not reported" in first.reason


def test_rule_17_each_segment_has_its_own_deadline(bench: Bench) -> None:
    bench.change(hang_after=timedelta(seconds=30))
    bench.add("a")
    bench.turn()
    for iteration in range(1, 10):
        bench.now += 25
        bench.end(bench.report(iteration))
    assert bench.worker.replaced == []


def test_rule_17_a_worker_that_does_not_start_is_no_jobs_fault(bench: Bench) -> None:
    bench.add("a")
    bench.worker.refuses = "the worker process does not start"
    bench.turn()
    assert "does not start" in bench.dispatcher.fault
    assert bench.ledger.attempts("a.0") == []
    bench.worker.refuses = None
    bench.turn(1.5)
    assert bench.state_of("a") == "running"


def test_a_worker_that_dies_between_two_segments_is_a_fault_of_the_node(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.come_to(bench.report(5))
    bench.worker.refuses = "the worker process has died"
    bench.turn()
    bench.worker.refuses = None
    bench.turn()
    first, second = bench.ledger.attempts("a.0")
    assert first.outcome is Outcome.NODE_FAULT and second.finished_at is None


def test_rule_11_nothing_is_begun_while_the_share_is_gone(bench: Bench) -> None:
    bench.add("a")
    marker = bench.outbox / MARKER_NAME
    content = marker.read_bytes()
    marker.unlink()
    bench.turn()
    assert "marker" in bench.dispatcher.fault
    assert bench.worker.orders == []
    marker.write_bytes(content)
    bench.turn(1.5)
    assert bench.state_of("a") == "running"


def test_rule_11_a_share_that_vanishes_in_the_midst_of_a_render_loses_nothing(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    marker = bench.outbox / MARKER_NAME
    content = marker.read_bytes()
    marker.unlink()
    snapshot = bench.picture("snapshot-000020.png")
    bench.end(bench.report(20, snapshots=1))
    assert bench.state_of("a") == "queued" and bench.dispatcher.fault is not None
    assert snapshot.exists() and bench.render("a").attempts == 0
    marker.write_bytes(content)
    bench.turn(1.5)
    bench.end(bench.report(25, snapshots=1))
    assert bench.published("a") == {"a-0020.png"}
    assert bench.render("a").iteration == 25


def test_rule_12_nothing_is_begun_below_the_floor_of_free_space(bench: Bench) -> None:
    bench.change(free_space=10**18)
    bench.add("a")
    bench.turn()
    assert "are free on its disk" in bench.dispatcher.fault
    assert bench.ledger.attempts("a.0") == []


def test_rule_18_a_failed_render_does_not_stop_the_next(bench: Bench) -> None:
    for job in ("a", "b", "c"):
        bench.add(job)
    bench.turn()
    bench.end(JobFault("broken"))
    assert bench.order.render_id == "b.0", "in the same turn"
    bench.end(bench.finished())
    assert bench.order.render_id == "c.0"


def test_what_the_ledger_cannot_take_down_is_kept_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("a")
    bench.turn()

    def full(*_: Any, **__: Any) -> None:
        raise WorldFault("the ledger's disk is full")

    with monkeypatch.context() as patched:
        for method in ("progress", "requeue_render", "fail_render", "finish_render"):
            patched.setattr(bench.ledger, method, full)
        bench.end(bench.finished())
        assert bench.dispatcher.fault == "the ledger's disk is full"
        bench.turn(1.5)
    assert str(bench.render("a").state) == "running"
    bench.turn(5.0)
    assert bench.state_of("a") == "done" and bench.dispatcher.fault is None
    assert len(bench.worker.orders) == 1, "nothing is rendered twice"


@pytest.mark.parametrize("fault", [JobFault("broken"), NodeFault("died"), WorldFault("gone")])
def test_a_fault_that_the_ledger_cannot_take_down_is_kept_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: AtelierError
) -> None:
    bench.add("a")
    bench.turn()

    def full(*_: Any, **__: Any) -> None:
        raise WorldFault("the ledger's disk is full")

    with monkeypatch.context() as patched:
        for method in ("requeue_render", "fail_render"):
            patched.setattr(bench.ledger, method, full)
        bench.end(fault)
    assert str(bench.render("a").state) == "running"
    bench.turn(2.0)
    assert (
        bench.ledger.attempts("a.0")[0].outcome
        == {
            JobFault: Outcome.JOB_FAULT,
            NodeFault: Outcome.NODE_FAULT,
            WorldFault: Outcome.WORLD_FAULT,
        }[type(fault)]
    )


def test_a_render_that_was_begun_just_when_the_disk_failed_is_not_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("a")
    with monkeypatch.context() as patched:
        patched.setattr(bench.worker, "submit", lambda order: bench.ledger.render("gone"))
        whole = bench.ledger.render
        calls = []

        def failing(render_id: str) -> Any:
            calls.append(render_id)
            if bench.ledger.running():
                raise WorldFault("the ledger cannot be read")
            return whole(render_id)

        patched.setattr(bench.ledger, "render", failing)
        bench.turn()
    assert str(bench.render("a").state) == "running" and bench.worker.orders == []
    bench.turn(1.5)
    assert len(bench.worker.orders) == 1 and bench.render("a").attempts == 1
