"""The next render is begun before the one that has ended is published: the device need not wait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atelierd.dispatch import dispatcher as module
from atelierd.dispatch.publishing import Publisher
from atelierd.errors import JobFault, OutOfMemoryFault, WorldFault

Bench = Any


def test_the_worker_has_its_next_order_before_the_result_is_published(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    published: list[set[str]] = []
    bench.worker.at_submit = lambda order: published.append(bench.published("a"))
    bench.end(bench.finished())
    assert bench.order.render_id == "b.0" and published == [set()]
    assert bench.published("a") == {"a.png"} and bench.state_of("a") == "done"
    assert bench.dispatcher.working[0].render.id == "b.0"
    bench.end(bench.finished())
    assert bench.state_of("b") == "done" and not bench.dispatcher.working


def test_rule_20_killed_in_between_both_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()

    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == "dispatch.next_begun":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, "failpoint", kill)
        with pytest.raises(Killed):
            bench.end(bench.finished())
    bench.start_anew()
    bench.turn()
    assert bench.order.render_id == "a.0", "what has been begun is finished first"
    bench.end(bench.finished())
    assert bench.order.render_id == "b.0"
    bench.end(bench.finished())
    assert (bench.state_of("a"), bench.state_of("b")) == ("done", "done")


@pytest.mark.parametrize(
    ("fault", "state"), [(WorldFault("the outbox is gone"), "queued"), (JobFault("no"), "failed")]
)
def test_what_goes_wrong_with_publishing_does_not_take_the_device_from_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: Exception, state: str
) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()

    def failing(*_: Any) -> None:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(Publisher, "result", failing)
        bench.end(bench.finished())
    assert bench.render("a").state == state
    assert bench.render("b").state == "running"
    bench.now += 60
    bench.end(bench.finished())
    assert bench.state_of("b") == "done"
    if state == "queued":
        bench.turn(60)
        assert bench.order.render_id == "a.0"
        bench.end(bench.finished())
        assert bench.state_of("a") == "done"


def test_what_keeps_the_next_from_beginning_does_not_keep_the_result_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    report = bench.finished()

    def failing(*_: Any) -> None:
        raise WorldFault("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(module, "check_world", failing)
        bench.end(report)
        assert bench.state_of("a") == "done" and bench.published("a") == {"a.png"}
        assert bench.render("b").state == "queued"
    bench.turn(60)
    assert bench.render("b").state == "running"


def test_rule_17_a_plan_that_ran_out_of_memory_is_noted_for_the_next_attempt(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    work = bench.order.work
    work.mkdir(parents=True)
    (work / "plan.json").write_text(json.dumps({"bytes": 4321}))
    bench.end(OutOfMemoryFault("the machine ran out of memory"))
    assert json.loads((work / "ran-out.json").read_bytes()) == {"bytes": 4321}
    assert bench.render("a").attempts == 2 and bench.order.render_id == "a.0"


def test_near_a_renders_end_the_worker_is_told_which_is_likely_to_follow(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    bench.end(bench.report(2, seconds_left=600.0))
    assert bench.order.following == ""
    bench.end(bench.report(8, seconds_left=3.0))
    assert bench.order.render_id == "a.0"
    assert bench.order.following == bench.ledger.render("b.0").spec


def test_the_last_render_of_the_queue_has_none_to_follow(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.end(bench.report(8, seconds_left=3.0))
    assert bench.order.following == ""
