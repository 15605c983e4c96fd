"""The course of renders: segments, snapshots, the finish (rule 14), and what people ask for."""

from __future__ import annotations

from typing import Any

import pytest

from atelierd.dispatch import dispatcher as module
from atelierd.errors import JobFault, NodeFault
from atelierd.ledger.states import Action, Outcome
from atelierd.outbox import publish
from atelierd.outbox.folder import folder_of
from atelierd.outbox.publish import RenderResult, publish_picture, publish_result

Bench = Any


def test_a_render_goes_on_segment_by_segment_until_it_is_done(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    assert bench.state_of("a") == "running"
    assert bench.order.seconds == 2.0 and bench.order.work == bench.state / "renders" / "a.0"
    for iteration in (5, 11):
        bench.end(bench.report(iteration))
        assert bench.render("a").iteration == iteration
        assert bench.dispatcher.working[0].report.iteration == iteration
    bench.end(bench.finished())
    assert bench.state_of("a") == "done"
    assert bench.published("a") == {"a.png"}
    assert not bench.dispatcher.working
    assert len(bench.worker.orders) == 3
    assert not bench.order.work.exists()
    assert set(bench.changed) == {"a"}


def test_an_idle_dispatcher_starts_no_worker(bench: Bench) -> None:
    bench.turn()
    assert bench.worker.pid == 0 and bench.dispatcher.fault is None


def test_the_end_of_a_segment_wakes_the_loop(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.come_to(bench.report())
    assert bench.woken == 1


def test_snapshots_are_published_while_the_next_segment_runs(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    snapshot = bench.picture("snapshot-000020.png")
    bench.end(bench.report(20, snapshots=1))
    assert len(bench.worker.orders) == 2
    assert bench.published("a") == {"a-0020.png"}
    assert not snapshot.exists()


def test_rule_14_images_then_the_manifest_then_the_ledger(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool, bool, str]] = []

    def note(step: str) -> None:
        folder = bench.outbox / "a"
        is_listed = (folder / "result.json").exists()
        seen.append((step, (folder / "a.png").exists(), is_listed, str(bench.render("a").state)))

    monkeypatch.setattr(publish, "failpoint", note)
    monkeypatch.setattr(module, "failpoint", note)
    bench.add("a")
    bench.turn()
    seen.clear()
    bench.end(bench.finished())
    assert [one for one in seen if one[0].startswith(("publish", "dispatch"))] == [
        ("dispatch.reported", False, False, "running"),
        ("dispatch.next_begun", False, False, "running"),
        ("publish.picture", True, False, "running"),
        ("publish.manifest", True, True, "running"),
        ("dispatch.published", True, True, "running"),
        ("dispatch.recorded", True, True, "done"),
        ("dispatch.cleared", True, True, "done"),
    ]


def test_rule_14_a_manifest_that_verifies_is_recorded_without_rendering(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.picture("00000040.checkpoint")
    folder = folder_of(bench.outbox, bench.ledger.job_by_id("a"))
    file = publish_picture(folder, "a.png", b"the result")
    publish_result(folder, RenderResult(0, "a", (file,), {}))
    bench.start_anew()
    bench.turn()
    assert bench.state_of("a") == "done"
    assert bench.worker.orders == []
    assert not (bench.state / "renders" / "a.0").exists()


def test_rule_14_a_picture_that_was_changed_is_rendered_again(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    folder = folder_of(bench.outbox, bench.ledger.job_by_id("a"))
    file = publish_picture(folder, "a.png", b"the result")
    publish_result(folder, RenderResult(0, "a", (file,), {}))
    (folder.path / "a.png").write_bytes(b"truncated")
    bench.start_anew()
    bench.turn()
    assert bench.state_of("a") == "running" and len(bench.worker.orders) == 1


def test_a_more_urgent_job_takes_the_device_at_the_next_segment(bench: Bench) -> None:
    bench.add("slow", source="anna/slow.yaml")
    bench.turn()
    bench.add("urgent", priority=5, source="bert/urgent.yaml")
    bench.turn(0.1)
    assert bench.order.render_id == "slow.0", "not in the midst of a segment"
    bench.end(bench.report(5, saved=True))
    assert bench.order.render_id == "urgent.0"
    assert bench.state_of("slow") == "queued"
    assert bench.ledger.attempts("slow.0")[0].outcome is Outcome.STOPPED
    bench.end(bench.finished())
    assert bench.order.render_id == "slow.0", "and the other goes on afterwards"
    assert bench.render("slow").iteration == 5
    bench.end(bench.finished())
    assert bench.state_of("slow") == bench.state_of("urgent") == "done"


def test_a_job_as_urgent_waits_its_turn(bench: Bench) -> None:
    bench.add("first")
    bench.turn()
    bench.add("second")
    bench.end(bench.report(5))
    assert bench.order.render_id == "first.0"


def test_people_take_turns(bench: Bench) -> None:
    for job in ("a1", "a2", "a3"):
        bench.add(job, source=f"anna/{job}.yaml")
    for job in ("b1", "b2"):
        bench.add(job, source=f"bert/{job}.yaml")
    order = []
    bench.turn()
    for _ in range(5):
        order.append(bench.order.render_id)
        bench.end(bench.finished())
    assert order == ["a1.0", "b1.0", "a2.0", "b2.0", "a3.0"]


def test_a_held_job_stops_at_the_next_segment_and_goes_on_when_it_is_released(
    bench: Bench,
) -> None:
    bench.add("a")
    bench.turn()
    bench.ledger.act(Action.HOLD, "a")
    snapshot = bench.picture("snapshot-000020.png")
    bench.end(bench.report(20, snapshots=1))
    assert bench.state_of("a") == "held" and not bench.dispatcher.working
    assert bench.published("a") == {"a-0020.png"} and not snapshot.exists()
    bench.turn(10)
    assert len(bench.worker.orders) == 1
    bench.ledger.act(Action.RELEASE, "a")
    bench.turn()
    assert bench.state_of("a") == "running" and bench.render("a").iteration == 20


def test_a_cancelled_job_stops_at_the_next_segment_and_leaves_nothing_behind(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    bench.ledger.act(Action.CANCEL, "a")
    work = bench.picture("snapshot-000020.png").parent
    bench.end(bench.report(20))
    assert bench.state_of("a") == "cancelled" and not work.exists()
    assert bench.published("a") == set()
    assert bench.render("a").iteration == 0
    assert bench.order.render_id == "b.0"


def test_a_render_that_finishes_after_its_job_was_cancelled_is_not_published(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.ledger.act(Action.CANCEL, "a")
    bench.end(bench.finished())
    assert bench.state_of("a") == "cancelled"
    assert bench.published("a") == set() and not bench.order.work.exists()


@pytest.mark.parametrize("outcome", ["report", "finished", "job fault", "node fault"])
def test_what_was_under_way_before_a_cancel_says_nothing_of_the_retry(
    bench: Bench, outcome: str
) -> None:
    bench.add("a")
    bench.turn()
    checkpoint = bench.picture("00000005.checkpoint")
    bench.ledger.act(Action.CANCEL, "a")
    bench.ledger.act(Action.RETRY, "a")
    stale: Any = {
        "report": bench.report(20, saved=True),
        "finished": bench.finished(),
        "job fault": JobFault("broken"),
        "node fault": NodeFault("died"),
    }[outcome]
    bench.end(stale)
    assert bench.state_of("a") == "running", "it has begun anew"
    assert bench.render("a").iteration == 0 and bench.render("a").attempts == 1
    assert len(bench.ledger.attempts("a.0")) == 2 and len(bench.worker.orders) == 2
    assert checkpoint.exists(), "a retry goes on from its checkpoint"
    assert bool(bench.worker.replaced) == (outcome == "node fault")
    assert bench.published("a") == set()
