"""Several workers at once: each has its lane, and no render is ever in two of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.dispatch.conftest import ITERATIONS, Bench, PlayedFleet, PlayedWorker, report_of

from atelierd.dispatch.dispatcher import Dispatcher
from atelierd.errors import JobFault, NodeFault, WeightsError, WorldFault
from atelierd.ledger.states import Action
from atelierd.outbox.publish import verify_manifest
from atelierd.render.segment import SegmentReport


class Studio:
    """A bench with two workers, `one` and `two`."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.one, self.two = PlayedWorker(), PlayedWorker()
        self.one.name, self.two.name = "cuda:0", "cuda:1"
        self.fleet = PlayedFleet(self.one, self.two)
        self.dispatcher = Dispatcher(
            self.bench.plan,
            self.bench.ledger,
            self.fleet,
            changed=self.bench.changed.append,
            woken=lambda: None,
        )

    def turn(self, after: float = 0.1) -> None:
        self.bench.now += after
        self.dispatcher.turn(self.bench.now)

    def busy(self) -> list[str]:
        """The renders under way."""
        return sorted(working.render.id for working in self.dispatcher.working)

    def under_way(self, worker: PlayedWorker) -> str | None:
        """What a worker has been asked for and has not done."""
        open_ = [
            order.render_id
            for order, future in zip(worker.orders, worker.futures, strict=True)
            if not future.done()
        ]
        assert len(open_) <= 1, "a worker does one segment at a time"
        return open_[0] if open_ else None

    def end(self, worker: PlayedWorker, outcome: SegmentReport | Exception | None = None) -> None:
        """Let a worker's segment end, and the dispatcher take its turn."""
        if isinstance(outcome, Exception):
            worker.futures[-1].set_exception(outcome)
        else:
            worker.futures[-1].set_result(outcome or report_of(worker))
        self.turn()

    def finish(self, worker: PlayedWorker) -> None:
        work = worker.orders[-1].work
        work.mkdir(parents=True, exist_ok=True)
        (work / "result.png").write_bytes(b"the result")
        receipt = {"snapshots": [], "seconds": 1.0}
        self.end(worker, report_of(worker, ITERATIONS, finished=True, saved=True, receipt=receipt))


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(tmp_path)
    yield studio
    studio.bench.ledger.close()


def test_every_worker_has_a_render_of_its_own_and_keeps_it(studio: Studio) -> None:
    for job in ("a", "b", "c"):
        studio.bench.add(job)
    studio.turn()
    assert studio.busy() == ["a.0", "b.0"]
    for _ in range(3):
        studio.end(studio.one)
        studio.end(studio.two)
    assert {order.render_id for order in studio.one.orders} == {"a.0"}
    assert {order.render_id for order in studio.two.orders} == {"b.0"}


def test_a_worker_that_is_done_takes_the_next_and_all_are_published(studio: Studio) -> None:
    for job in ("a", "b", "c"):
        studio.bench.add(job)
    studio.turn()
    studio.finish(studio.two)
    assert studio.busy() == ["a.0", "c.0"]
    studio.finish(studio.one)
    studio.finish(studio.two)
    assert [studio.bench.state_of(job) for job in ("a", "b", "c")] == ["done"] * 3
    assert [len(studio.bench.ledger.attempts(f"{job}.0")) for job in ("a", "b", "c")] == [1, 1, 1]
    for job in ("a", "b", "c"):
        folder = studio.dispatcher._publisher.folder(studio.bench.ledger.job_by_id(job))
        assert verify_manifest(folder, job)


def test_renders_of_one_job_are_shared_out(studio: Studio) -> None:
    studio.bench.add("a", renders=3)
    studio.turn()
    assert studio.busy() == ["a.0", "a.1"]


def test_rule_17_a_worker_that_dies_takes_nothing_from_the_other(studio: Studio) -> None:
    studio.bench.add("a")
    studio.bench.add("b")
    studio.turn()
    studio.end(studio.one, NodeFault("the worker process died"))
    assert studio.one.replaced == ["the worker process died"] and studio.two.replaced == []
    assert studio.under_way(studio.two) == "b.0"
    assert studio.under_way(studio.one) == "a.0", "it is tried again"
    assert studio.bench.render("a").attempts == 2 and studio.bench.render("b").attempts == 1


def test_rule_18_a_worker_that_does_not_start_leaves_the_work_to_the_other(studio: Studio) -> None:
    studio.bench.add("a")
    studio.bench.add("b")
    studio.one.refuses = "its driver is gone"
    studio.turn()
    assert studio.busy() == ["a.0"] and studio.under_way(studio.two) == "a.0"
    assert "cuda:0: its driver is gone" in str(studio.dispatcher.fault)
    studio.finish(studio.two)
    studio.finish(studio.two)
    assert studio.bench.state_of("b") == "done"
    studio.one.refuses = None
    studio.bench.add("c")
    studio.turn(after=61)
    assert studio.under_way(studio.one) == "c.0"
    studio.finish(studio.one)
    assert studio.dispatcher.fault is None


def test_a_device_that_fails_waits_alone(studio: Studio) -> None:
    studio.bench.add("a")
    studio.bench.add("b")
    studio.turn()
    studio.end(studio.one, WorldFault("there is no device cuda:0"))
    assert "cuda:0: there is no device" in str(studio.dispatcher.fault)
    assert studio.bench.render("a").attempts == 0
    studio.finish(studio.two)
    assert studio.bench.state_of("b") == "done"
    assert studio.under_way(studio.two) == "a.0", "the other takes it over"


def test_rule_17_a_share_that_is_gone_stops_all_of_them(studio: Studio) -> None:
    studio.bench.add("a")
    studio.bench.add("b")
    studio.bench.add("c")
    studio.turn()
    away = studio.bench.outbox.rename(studio.bench.outbox.with_name("away"))
    studio.end(studio.one)
    studio.end(studio.two)
    assert studio.busy() == ["b.0"], "how it ended is written down when the share is back"
    assert "outbox" in str(studio.dispatcher.fault)
    away.rename(studio.bench.outbox)
    studio.turn(after=2)
    assert studio.dispatcher.fault is None
    assert len(studio.busy()) == 2
    assert [str(studio.bench.render(job).state) for job in "abc"].count("running") == 2


def test_the_least_urgent_of_them_yields(studio: Studio) -> None:
    studio.bench.add("high", priority=1)
    studio.bench.add("low")
    studio.turn()
    assert studio.under_way(studio.one) == "high.0" and studio.under_way(studio.two) == "low.0"
    studio.bench.add("urgent", priority=5)
    studio.end(studio.one)
    assert studio.under_way(studio.one) == "high.0", "the other's is less urgent"
    studio.end(studio.two)
    assert studio.under_way(studio.two) == "urgent.0"


def test_what_a_worker_holds_unsaved_no_other_takes(studio: Studio) -> None:
    studio.bench.add("high", priority=1)
    studio.bench.add("low")
    studio.turn()
    studio.bench.add("urgent", priority=5)
    studio.end(studio.two)
    assert studio.under_way(studio.two) == "urgent.0"
    # Worker two saves `low` when it begins with `urgent`, and that may take its time.
    studio.finish(studio.one)
    assert studio.under_way(studio.one) is None
    studio.end(studio.two)
    studio.turn()
    assert studio.under_way(studio.one) == "low.0", "now it is saved"


def test_what_a_worker_holds_it_takes_up_itself(studio: Studio) -> None:
    studio.bench.add("a")
    studio.turn()
    job = studio.bench.ledger.job_by_id("a")
    studio.bench.ledger.act(Action.HOLD, job.id)
    studio.end(studio.one)
    assert studio.busy() == []
    studio.bench.ledger.act(Action.RELEASE, job.id)
    studio.turn()
    assert studio.under_way(studio.one) == "a.0" and studio.two.orders == []


def test_a_worker_that_has_died_holds_nothing(studio: Studio) -> None:
    studio.bench.add("a")
    studio.turn()
    studio.bench.ledger.act(Action.HOLD, "a")
    studio.end(studio.one)
    studio.bench.ledger.act(Action.RELEASE, "a")
    studio.fleet.present = [studio.two]
    studio.turn()
    assert studio.under_way(studio.two) == "a.0"


def test_a_job_cancelled_and_tried_again_stays_with_the_worker_that_still_holds_it(
    studio: Studio,
) -> None:
    studio.bench.add("a")
    studio.turn()
    studio.bench.ledger.act(Action.CANCEL, "a")
    studio.bench.ledger.act(Action.RETRY, "a")
    studio.end(studio.one)
    assert studio.under_way(studio.one) == "a.0" and studio.two.orders == []


def test_a_worker_that_comes_has_work_at_once_and_one_that_goes_is_seen_to(
    studio: Studio,
) -> None:
    for job in ("a", "b", "c"):
        studio.bench.add(job)
    third = PlayedWorker()
    third.name = "cuda:2"
    studio.turn()
    studio.fleet.present.append(third)
    studio.turn()
    assert studio.under_way(third) == "c.0"
    studio.fleet.present.remove(studio.one)
    studio.turn()
    assert studio.busy() == ["a.0", "b.0", "c.0"], "its last segment is still open"
    studio.end(studio.one, NodeFault("the worker has left"))
    studio.finish(third)
    assert studio.under_way(third) == "a.0"


def test_why_there_is_no_worker_is_told(studio: Studio) -> None:
    studio.fleet.present = []
    studio.fleet.fault = "no worker has registered"
    studio.bench.add("a")
    studio.turn()
    assert studio.busy() == []
    assert studio.dispatcher.fault == "no worker has registered"
    studio.fleet.present, studio.fleet.fault = [studio.two], None
    studio.turn()
    assert studio.busy() == ["a.0"]
    assert studio.dispatcher.fault is None


def test_rule_19_a_stop_saves_what_each_of_them_does(studio: Studio) -> None:
    studio.bench.add("a")
    studio.bench.add("b")
    studio.turn()

    def wait(future: object) -> bool:
        for worker in (studio.one, studio.two):
            if worker.futures[-1] is future:
                saving = worker.orders[-1].seconds == 0
                worker.futures[-1].set_result(report_of(worker, 7, saved=saving))
        return True

    studio.dispatcher.stop(wait)
    for worker, job in ((studio.one, "a"), (studio.two, "b")):
        assert [order.seconds for order in worker.orders] == [2.0, 0.0]
        assert worker.stopped == 1
        assert studio.bench.render(job).iteration == 7
        assert studio.bench.state_of(job) == "queued"


def test_rule_19_one_that_cannot_be_saved_does_not_keep_the_others_from_it(
    studio: Studio,
) -> None:
    studio.bench.add("a")
    studio.bench.add("b")
    studio.turn()

    def wait(future: object) -> bool:
        if future in studio.one.futures:
            return False
        studio.two.futures[-1].set_result(report_of(studio.two, 7, saved=True))
        return True

    studio.dispatcher.stop(wait)
    assert studio.one.replaced != []
    assert studio.bench.render("b").iteration == 7


def test_a_fault_of_the_job_is_its_own(studio: Studio) -> None:
    studio.bench.add("a")
    studio.bench.add("b")
    studio.turn()
    studio.end(studio.one, JobFault("photo.png is broken"))
    assert studio.bench.state_of("a") == "failed" and studio.busy() == ["b.0"]


def test_a_render_goes_only_where_it_fits_and_the_others_are_kept_busy(studio: Studio) -> None:
    studio.one.too_large = {"a.0"}
    studio.bench.add("a", priority=5)
    studio.bench.add("b")
    studio.turn()
    assert studio.under_way(studio.one) == "b.0"
    assert studio.under_way(studio.two) == "a.0"
    assert studio.dispatcher.fault is None


def test_an_urgent_render_that_does_not_fit_takes_no_device(studio: Studio) -> None:
    studio.one.too_large = studio.two.too_large = {"c.0"}
    studio.bench.add("a")
    studio.bench.add("b")
    studio.turn()
    studio.bench.add("c", priority=9)
    studio.end(studio.one)
    assert studio.under_way(studio.one) == "a.0"


def test_a_render_that_fits_nowhere_waits_and_that_is_told_until_somebody_can(
    studio: Studio,
) -> None:
    studio.one.too_large = studio.two.too_large = {"a.0"}
    studio.bench.add("a")
    studio.turn()
    assert studio.busy() == []
    assert "no worker that is there has the memory" in str(studio.dispatcher.fault)
    studio.two.too_large = set()
    studio.turn()
    assert studio.under_way(studio.two) == "a.0"


def test_one_look_for_missing_weights_serves_all_workers(studio: Studio) -> None:
    for number in range(20):
        studio.bench.add(f"job-{number:02d}", settings='{"network": "vgg19"}')
    for _ in range(200):
        studio.turn(1.0)
        for worker in (studio.one, studio.two):
            if studio.under_way(worker) is not None:
                studio.end(worker, WeightsError("the weights of vgg19 cannot be had"))
    looks = len(studio.one.orders) + len(studio.two.orders)
    assert looks < 50, "a pause of up to a minute for all of them together"
