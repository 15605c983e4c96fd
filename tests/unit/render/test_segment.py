"""A studio's memory between segments, and what it leaves on the disk for the next process."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atelierd import durable
from atelierd.errors import JobFault, NodeFault
from atelierd.images import ImageLimits
from atelierd.jobs.frozen import FrozenRender, input_path
from atelierd.render import segment
from atelierd.render.checkpoint import generations
from atelierd.render.chosen import note_out_of_memory
from atelierd.render.live import LiveRender
from atelierd.render.memory import MachineMemory
from atelierd.render.resident import EngineOptions, Resident
from atelierd.render.scene import Scene
from atelierd.render.segment import SegmentOrder, SegmentReport, Studio, clear_work
from atelierd.weights.network import Weights

Inputs = Any
MakeOrder = Callable[..., SegmentOrder]

#: Seconds that are over after one iteration, and some that are not over before the render is.
ONE_ITERATION, ALL = 1e-6, 600.0
SETTINGS = {"iterations": 6, "snapshots": 3, "scales": 1, "size": 48}


@pytest.fixture
def studio(
    random_vgg16: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Studio]]:
    """A function that makes a studio, as a new worker process does."""
    monkeypatch.setattr(Resident, "_load", lambda self, network: random_vgg16)
    monkeypatch.setattr(segment, "CHECKPOINT_LEAST", 60.0)
    made: list[Studio] = []

    def studio() -> Studio:
        made.append(Studio(EngineOptions(tmp_path, device="cpu", threads=1)))
        return made[-1]

    yield studio
    for one in made:
        for render_id in list(one._live):
            one._drop(render_id)


@pytest.fixture
def order(inputs: Inputs) -> MakeOrder:
    def order(name: str = "a.0", seconds: float = ONE_ITERATION, **settings: Any) -> SegmentOrder:
        frozen: FrozenRender = inputs.frozen(**SETTINGS | settings)
        work = inputs.state / "renders" / name
        return SegmentOrder(name, frozen.model_dump_json(), inputs.state, work, seconds)

    return order


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def pictures(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in work.glob("*.png")}


def test_a_segment_is_some_iterations_and_the_next_one_goes_on(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    here = studio()
    first, second = here.run(order()), here.run(order())
    assert (first.iteration, second.iteration) == (1, 2)
    assert first.iterations == 6 and not second.finished and second.evaluations > 2
    assert (first.width, first.height) == (48, 38)
    assert any("weights of vgg16 loaded" in line for line in first.log)
    assert second.log == (), "nothing is loaded or compiled in between"


def test_the_second_render_finds_network_and_objective_resident(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    here = studio()
    here.run(order("a.0", ALL))
    report = here.run(order("b.0"))
    assert "no weights loaded" in report.log[0]
    assert "objective reused" in report.log[2]


def test_a_finished_render_leaves_its_pictures_a_receipt_and_no_memory(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    here, whole = studio(), order(seconds=ALL)
    report = here.run(whole)
    assert report.finished and report.saved and report.iteration == 6
    assert pictures(whole.work).keys() == {
        "snapshot-000002.png",
        "snapshot-000004.png",
        "result.png",
    }
    assert report.snapshots == 2 and report.receipt["snapshots"] == [2, 4]
    assert report.receipt["objective"] == report.objective
    assert [entry["iteration"] for entry in report.receipt["trace"]] == [1, 2, 3, 4, 5, 6]
    assert here._live == {}
    copy = pickle.loads(pickle.dumps(report))
    assert copy == report and json.loads(json.dumps(copy.receipt)) == report.receipt


def test_no_seconds_only_save(studio: Callable[[], Studio], order: MakeOrder) -> None:
    here = studio()
    assert not here.run(order()).saved
    report = here.run(order(seconds=0.0))
    assert report.saved and report.iteration == 1
    assert [path.name for path in order().work.glob("*.checkpoint")] == ["00000001.checkpoint"]


@pytest.mark.parametrize("minimizer", ["lbfgs", "lbfgsb"])
def test_rule_15_a_render_that_another_displaces_ends_with_the_same_bytes(
    studio: Callable[[], Studio], order: MakeOrder, minimizer: str
) -> None:
    whole = order("whole.0", ALL, minimizer=minimizer)
    studio().run(whole)
    here = studio()
    for _ in range(3):
        here.run(order("a.0", minimizer=minimizer))
    here.run(order("b.0"))
    assert set(here._live) == {"b.0"}, "one render at a time has the device's memory"
    report = here.run(order("a.0", ALL, minimizer=minimizer))
    assert "goes on from the checkpoint at iteration 3" in " ".join(report.log)
    assert report.finished
    assert pictures(order("a.0").work) == pictures(whole.work)


def test_rule_19_a_killed_process_loses_what_came_after_its_last_checkpoint_only(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    whole = order("whole.0", ALL)
    studio().run(whole)
    first = studio()
    for _ in range(2):
        first.run(order())
    first.run(order(seconds=0.0))
    first.run(order())  # lost with the process
    report = studio().run(order(seconds=ALL))
    assert "iteration 2" in " ".join(report.log)
    assert pictures(order().work) == pictures(whole.work)


@pytest.mark.parametrize("minimizer", ["lbfgs", "lbfgsb", "adam"])
def test_rule_14_a_render_that_was_finished_before_a_kill_is_finished_again_to_the_same_bytes(
    studio: Callable[[], Studio], order: MakeOrder, minimizer: str
) -> None:
    settings = {"minimizer": minimizer, "snapshots": 4, "iterations": 5}
    first = studio().run(order(seconds=ALL, **settings))
    before = pictures(order().work)
    again = studio().run(order(**settings))
    assert again.finished and again.iteration == 5
    assert pictures(order().work) == before
    assert again.receipt == first.receipt
    assert again.evaluations == first.evaluations


def test_a_cancelled_render_is_dropped_without_a_trace(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    here = studio()
    here.run(order("a.0"))
    clear_work(order("a.0").work)
    here.run(order("b.0"))
    assert not order("a.0").work.exists() and set(here._live) == {"b.0"}


def test_a_cancelled_render_that_is_tried_again_begins_anew(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    here = studio()
    for _ in range(3):
        here.run(order())
    clear_work(order().work)
    report = here.run(order())
    assert report.iteration == 1 and not report.saved


def test_a_failing_iteration_costs_no_more_than_going_back_to_the_checkpoint(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = order("whole.0", ALL)
    studio().run(whole)
    here = studio()
    here.run(order())
    here.run(order(seconds=0.0))
    here.run(order())

    def failing(self: LiveRender) -> Any:
        raise NodeFault("the device failed")

    with monkeypatch.context() as patched:
        patched.setattr(LiveRender, "iterate", failing)
        with pytest.raises(NodeFault):
            here.run(order())
    assert here._live == {}
    report = here.run(order(seconds=ALL))
    assert "iteration 1" in " ".join(report.log)
    assert pictures(order().work) == pictures(whole.work)


def test_a_disk_that_is_full_for_a_while_costs_nothing(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = order("whole.0", ALL)
    studio().run(whole)
    here = studio()
    here.run(order())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for seconds in (0.0, ALL):
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                here.run(order(seconds=seconds))
    assert here.run(order(seconds=ALL)).finished
    assert pictures(order().work) == pictures(whole.work)


class PlayedTime:
    """A clock that only iterations and checkpoints move on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.saved = 0.0
        self.saves = 0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("cost", [1e-6, 1e-4, 1e-3])
def test_checkpoints_cost_at_most_their_share_of_the_time_at_every_scale(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch, cost: float
) -> None:
    """`cost`: seconds of a checkpoint for each pixel."""
    clock = PlayedTime()

    def iterate(self: LiveRender) -> None:
        clock.now += 1.0
        self.course.iteration += 1
        self.course.phase = self.course.iteration > 500

    def save(self: LiveRender, folder: Path) -> None:
        phase = self.plan.phases[self.course.phase]
        clock.now += cost * phase.width * phase.height
        clock.saved += cost * phase.width * phase.height
        clock.saves += 1

    monkeypatch.setattr(segment, "time", clock)
    monkeypatch.setattr(segment, "CHECKPOINT_LEAST", 2.0)
    monkeypatch.setattr(segment, "CHECKPOINT_GUESS", cost)
    monkeypatch.setattr(segment, "write_now", lambda work, render: None)
    monkeypatch.setattr(LiveRender, "iterate", iterate)
    monkeypatch.setattr(LiveRender, "save", save)
    here, began = studio(), clock.now
    one = order(seconds=1e-6, iterations=1000, scales=2, size=96, snapshots=1)
    saved_at = []
    for number in range(900):
        report = here.run(one)
        if report.saved:
            saved_at.append(number)
        assert clock.saved <= segment.CHECKPOINT_SHARE * (clock.now - began) + 1e-9
    assert clock.saves == len(saved_at) > 8
    if cost == 1e-6:
        assert clock.saves == 450, "they are cheap: every two seconds"


def test_the_first_checkpoint_is_taken_to_cost_by_its_pixels(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "CHECKPOINT_LEAST", 0.0)
    here = studio()
    assert here.run(order()).saved
    live = here._live["a.0"]
    assert live.save_spent > 0
    # A second for each pixel, after an hour in which nothing was saved.
    live.save_rate, live.began = 1.0, live.began - 3600
    assert not here.run(order()).saved
    live.began -= 20 * 48 * 38
    assert here.run(order()).saved


def test_a_segment_that_is_to_end_with_a_checkpoint_does(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    here = studio()
    assert not here.run(order()).saved
    report = here.run(replace(order(), save=True))
    assert report.saved and not report.finished
    assert generations(order().work)


def test_a_frozen_input_that_is_gone_is_told_in_words(
    studio: Callable[[], Studio], order: MakeOrder, inputs: Inputs
) -> None:
    one = order()
    frozen = FrozenRender.model_validate_json(one.spec)
    input_path(inputs.state, frozen.content.sha256).unlink()
    with pytest.raises(JobFault, match=r"photo\.png is gone"):
        studio().run(one)


def test_rule_17_what_does_not_fit_in_memory_is_refused_before_it_starts(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MachineMemory, "available", lambda self: 1000)
    with pytest.raises(JobFault, match="of memory"):
        studio().run(order())
    assert not order().work.exists()


def test_clearing_a_work_folder_twice_is_once(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    clear_work(tmp_path / "work")
    clear_work(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_work_folder_that_cannot_be_cleared_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "rmtree", failing)
    clear_work(tmp_path)
    assert "cannot be removed now" in caplog.text


def test_a_report_says_how_far_the_render_is(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    report: SegmentReport = studio().run(order("a.0", size=80, scales=2))
    assert (report.width, report.height, report.phase) == (40, 32, 0)
    assert report.objective is not None and report.objective > 0
    assert report.seconds > 0 and report.seconds_left is not None
    assert report.receipt == {}


def test_pictures_are_written_while_the_next_iterations_run(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = order("whole.0", ALL)
    studio().run(whole)
    iterated, write_bytes = threading.Event(), durable.write_bytes
    iterate = LiveRender.iterate

    def noted(self: LiveRender) -> Any:
        if self.course.shown:
            iterated.set()
        return iterate(self)

    def waiting(path: Path, data: bytes) -> None:
        if path.name == "snapshot-000002.png":
            assert iterated.wait(60), "the render waits for its snapshot"
        write_bytes(path, data)

    monkeypatch.setattr(LiveRender, "iterate", noted)
    monkeypatch.setattr(durable, "write_bytes", waiting)
    assert studio().run(order("a.0", ALL)).finished
    assert pictures(order("a.0").work) == pictures(whole.work)


def test_rule_15_a_checkpoint_never_counts_a_snapshot_that_is_not_there(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = order("whole.0", ALL)
    studio().run(whole)
    here = studio()
    for _ in range(2):
        here.run(order())
    write_bytes = durable.write_bytes

    def failing(path: Path, data: bytes) -> None:
        if path.name.startswith("snapshot"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_bytes(path, data)

    here.run(order())
    here.run(order(seconds=0.0))
    with monkeypatch.context() as patched:
        patched.setattr(durable, "write_bytes", failing)
        here.run(order())  # the snapshot of iteration 4 is on its way, and fails
        with pytest.raises(OSError, match="No space"):
            here.run(order(seconds=0.0))
    report = here.run(order(seconds=ALL))
    assert "iteration 3" in " ".join(report.log)
    assert pictures(order().work) == pictures(whole.work)
    assert report.receipt["snapshots"] == [2, 4]


def test_rule_17_the_retry_after_running_out_of_memory_takes_a_smaller_plan(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = studio().run(order(size=160))
    assert "whole pictures, by" in " ".join(first.log)
    note_out_of_memory(order().work)
    again = studio().run(order(seconds=ALL, size=160))
    assert "tiles of" in " ".join(again.log) or "computed twice" in " ".join(again.log)
    assert again.finished
    assert again.receipt["phases"][-1]["execution"]["method"] != "whole"


def test_rule_15_a_render_goes_on_with_the_plan_that_it_began_with(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    whole = order("whole.0", ALL)
    studio().run(whole)
    studio().run(order("a.0"))
    note_out_of_memory(order("a.0").work)
    tight = studio()
    tight.run(order("a.0"))
    tight.run(order("a.0", seconds=0.0))
    (order("a.0").work / "ran-out.json").unlink()
    report = studio().run(order("a.0", ALL))
    assert report.receipt["phases"][-1]["execution"]["method"] != "whole"
    assert "goes on from the checkpoint" in " ".join(report.log)


def test_the_next_renders_pictures_are_decoded_while_the_present_one_runs(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded_in_turn: list[FrozenRender] = []

    def counted(frozen: FrozenRender, open_input: Any, limits: ImageLimits) -> Scene:
        decoded_in_turn.append(frozen)
        return Scene(frozen, open_input, limits)

    monkeypatch.setattr(segment, "Scene", counted)
    here = studio()
    following = order("b.0", ALL, seed=7)
    here.run(replace(order("a.0", ALL), following=following.spec))
    assert len(decoded_in_turn) == 1
    report = here.run(following)
    assert len(decoded_in_turn) == 1
    alone = studio().run(order("c.0", ALL, seed=7))
    assert report.finished and report.objective == alone.objective


def test_a_next_render_that_cannot_be_decoded_fails_in_its_own_turn(
    studio: Callable[[], Studio], order: MakeOrder, inputs: Inputs
) -> None:
    here = studio()
    frozen = inputs.frozen(**SETTINGS)
    spec = frozen.model_copy(
        update={"content": frozen.content.model_copy(update={"sha256": "0" * 64})}
    ).model_dump_json()
    first = order("a.0", ALL)
    assert here.run(replace(first, following=spec)).finished
    with pytest.raises(JobFault, match="is gone from the state folder"):
        here.run(replace(order("b.0", ALL), spec=spec))


def test_a_draft_ends_with_the_coarsest_scale_and_a_picture_of_it(
    studio: Callable[[], Studio], order: MakeOrder
) -> None:
    made = studio()
    wanted = replace(order(seconds=ALL, scales=2, size=96, iterations=10), draft=True)
    report = made.run(wanted)
    assert not report.finished and report.drafted
    assert (report.width, report.height) != (96, 96) and report.iteration == 4
    assert report.snapshots == 2, "the one that was due at a third, and the draft"
    assert "snapshot-000004.png" in pictures(wanted.work)
    end = made.run(replace(wanted, draft=False))
    assert end.finished and end.receipt["snapshots"] == [3, 4, 7]


def test_a_render_of_one_scale_is_drafted_after_a_few_iterations(
    studio: Callable[[], Studio], order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelierd.render.plan.DRAFT_ITERATIONS", 2)
    made = studio()
    wanted = replace(order(seconds=ALL, snapshots=1), draft=True)
    report = made.run(wanted)
    assert (report.iteration, report.drafted, report.finished) == (2, True, False)
    assert list(pictures(wanted.work)) == ["snapshot-000002.png"]
    plain = studio().run(order("b.0", seconds=ALL, snapshots=1))
    drafted = made.run(replace(wanted, draft=False))
    assert drafted.finished and drafted.objective == plain.objective
    ends = [pictures(one.work)["result.png"] for one in (wanted, order("b.0"))]
    assert ends[0] == ends[1], "a draft is a step of the real render"
