"""Rule 19: a checkpoint at the stop where there is time, and never a lost job."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from atelierd.errors import JobFault, NodeFault, WorldFault
from atelierd.ledger.states import Action, Outcome
from atelierd.render.segment import SegmentReport
from atelierd.share import MARKER_NAME

Bench = Any
Wait = Callable[[Future[SegmentReport]], bool]


def completing(bench: Bench, *outcomes: SegmentReport | Exception) -> Wait:
    """A wait during which the segments end, one with each outcome; then there is no more time."""
    left = list(outcomes)

    def wait(future: Future[SegmentReport]) -> bool:
        if future.done():
            return True
        if not left:
            return False
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return True

    return wait


def test_rule_19_with_time_a_checkpoint_is_saved_and_recorded(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.dispatcher.stop(completing(bench, bench.report(5), bench.report(5, saved=True)))
    assert [order.seconds for order in bench.worker.orders] == [2.0, 0.0]
    render = bench.render("a")
    assert (render.iteration, render.attempts, str(render.state)) == (5, 0, "queued")
    assert bench.ledger.attempts("a.0")[0].outcome is Outcome.STOPPED
    assert bench.worker.stopped == 1 and not bench.dispatcher.working


def test_rule_19_without_time_the_worker_is_killed_and_no_attempt_is_burned(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.dispatcher.stop(completing(bench))
    assert len(bench.worker.replaced) == 1 and bench.worker.stopped == 1
    assert (bench.state_of("a"), bench.render("a").attempts) == ("queued", 0)


def test_rule_19_time_that_ends_while_saving_loses_only_the_saving(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.dispatcher.stop(completing(bench, bench.report(5)))
    assert len(bench.worker.replaced) == 1
    assert (bench.render("a").iteration, bench.state_of("a")) == (5, "queued")


def test_a_render_that_finishes_at_the_stop_is_published_at_the_next_start(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.dispatcher.stop(completing(bench, bench.finished()))
    assert len(bench.worker.orders) == 1, "there is nothing left to save"
    assert bench.state_of("a") == "queued" and bench.published("a") == set()
    assert (bench.state / "renders" / "a.0" / "result.png").exists()
    bench.start_anew()
    bench.turn()
    bench.end(bench.finished())
    assert bench.state_of("a") == "done"


@pytest.mark.parametrize("fault", [JobFault("broken"), NodeFault("died"), WorldFault("full")])
def test_a_fault_at_the_stop_is_met_again_at_the_next_start(bench: Bench, fault: Exception) -> None:
    bench.add("a")
    bench.turn()
    bench.dispatcher.stop(completing(bench, fault))
    assert (bench.state_of("a"), bench.render("a").attempts) == ("queued", 0)
    assert bench.worker.stopped == 1


def test_a_worker_that_dies_before_it_saves_does_not_stop_the_stop(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.come_to(bench.report(5))
    bench.worker.refuses = "the worker process has died"
    bench.dispatcher.stop(completing(bench))
    assert bench.state_of("a") == "queued" and bench.worker.stopped == 1


def test_a_job_that_was_cancelled_or_retried_before_the_stop_stays_so(bench: Bench) -> None:
    for job, actions in (("a", [Action.CANCEL]), ("b", [Action.CANCEL, Action.RETRY])):
        bench.start_anew()
        bench.add(job)
        bench.turn()
        for action in actions:
            bench.ledger.act(action, job)
        bench.dispatcher.stop(completing(bench, bench.report(5), bench.report(5, saved=True)))
        assert bench.render(job).iteration == 0
    assert (bench.state_of("a"), bench.state_of("b")) == ("cancelled", "queued")


def test_a_ledger_that_cannot_be_written_does_not_keep_the_worker_alive(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("a")
    bench.turn()

    def full(*_: Any, **__: Any) -> None:
        raise WorldFault("the ledger's disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(bench.ledger, "requeue_render", full)
        bench.dispatcher.stop(completing(bench, bench.report(5), bench.report(5, saved=True)))
    assert bench.worker.stopped == 1
    bench.start_anew()
    bench.turn()
    assert bench.state_of("a") == "running"


@pytest.mark.parametrize("why", ["held", "the share is gone"])
def test_rule_19_what_was_put_aside_is_saved_at_the_stop_too(bench: Bench, why: str) -> None:
    bench.add("a")
    bench.turn()
    bench.picture("00000001.checkpoint")
    if why == "held":
        bench.ledger.act(Action.HOLD, "a")
    else:
        (bench.outbox / MARKER_NAME).unlink()
    bench.end(bench.report(5))
    assert not bench.dispatcher.working
    bench.dispatcher.stop(completing(bench, bench.report(5, saved=True)))
    assert [order.seconds for order in bench.worker.orders] == [2.0, 0.0]
    assert bench.order.render_id == "a.0" and bench.worker.stopped == 1
    assert bench.render("a").attempts == 0


def test_what_was_put_aside_and_cancelled_is_not_saved(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.picture("00000001.checkpoint")
    bench.ledger.act(Action.HOLD, "a")
    bench.end(bench.report(5))
    bench.ledger.act(Action.CANCEL, "a")
    bench.dispatcher.stop(completing(bench))
    assert len(bench.worker.orders) == 1 and bench.worker.stopped == 1


def test_what_another_render_has_displaced_was_saved_by_that(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    bench.picture("00000001.checkpoint")
    bench.ledger.act(Action.HOLD, "a")
    bench.end(bench.report(5))
    bench.end(bench.finished())
    assert bench.state_of("b") == "done"
    bench.dispatcher.stop(completing(bench))
    assert [order.render_id for order in bench.worker.orders] == ["a.0", "b.0"]


def test_no_time_to_save_what_was_put_aside_ends_the_worker(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.picture("00000001.checkpoint")
    bench.ledger.act(Action.HOLD, "a")
    bench.end(bench.report(5))
    bench.dispatcher.stop(completing(bench))
    assert len(bench.worker.replaced) == 1 and bench.state_of("a") == "held"


def test_an_idle_dispatcher_just_ends_its_worker(bench: Bench) -> None:
    bench.dispatcher.stop(completing(bench))
    assert bench.worker.stopped == 1
