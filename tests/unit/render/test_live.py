from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atelierd.engines.recipe import gatys, novak_nikulin
from atelierd.engines.torch.engine import TorchEngine
from atelierd.errors import JobFault, OutOfMemoryFault
from atelierd.jobs.frozen import FrozenRegion
from atelierd.render.live import LiveRender, recipe_of
from atelierd.render.minimizers import lbfgs

Begin = Any
Inputs = Any


def to_the_end(live: LiveRender) -> None:
    while not live.finished:
        live.iterate()


def test_it_goes_through_its_phases_and_lowers_the_objective(begin: Begin) -> None:
    live = begin(precision="bf16")
    assert [(p.width, p.height, p.precision) for p in live.plan.phases] == [
        (40, 32, "bf16"),
        (80, 64, "bf16"),
        (80, 64, "fp32"),
    ]
    to_the_end(live)
    trace = live.course.trace
    assert [entry.iteration for entry in trace] == list(range(1, 11))
    assert [entry.width for entry in trace] == [40] * 4 + [80] * 6
    assert trace[3].value < 0.9 * trace[0].value
    assert trace[-1].value < trace[4].value
    assert [entry.evaluations for entry in trace] == sorted(e.evaluations for e in trace)
    assert live.course.seconds >= trace[-1].seconds - 1e-3 > 0


def test_an_engine_without_bf16_is_planned_for_in_fp32(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchEngine, "precision", lambda *_: "fp32")
    live = begin(precision="bf16")
    assert {phase.precision for phase in live.plan.phases} == {"fp32"}


def test_the_picture_has_the_full_size_from_the_beginning(begin: Begin) -> None:
    live = begin()
    for iterations in (0, 1, 7):
        while live.course.iteration < iterations:
            live.iterate()
        rgb, alpha = live.picture()
        assert rgb.shape == (64, 80, 3) and rgb.dtype == np.float32 and alpha is None
        assert np.isfinite(rgb).all()


def test_before_the_first_iteration_the_picture_is_the_start(begin: Begin) -> None:
    live = begin(scales=1)
    rgb, _ = live.picture()
    assert rgb == pytest.approx(np.asarray(begin(scales=1).picture()[0]))
    assert rgb.min() >= -0.5 and rgb.max() <= 255.5


def test_the_finer_scale_starts_from_the_coarser_picture(begin: Begin) -> None:
    live = begin()
    for _ in range(6):
        live.iterate()
    before, _ = live.picture()
    live.iterate()
    after, _ = live.picture()
    fresh = begin(scales=1)
    fresh.iterate()
    far, _ = fresh.picture()
    assert np.abs(after - before).mean() < 0.5 * np.abs(far - before).mean()


@pytest.mark.parametrize("minimizer", ["lbfgs", "lbfgsb", "adam"])
def test_the_picture_stays_within_what_can_be_shown(begin: Begin, minimizer: str) -> None:
    live = begin(minimizer=minimizer, content_weight=0.01)
    to_the_end(live)
    rgb, _ = live.picture()
    assert rgb.min() > -1e-3 and rgb.max() < 255.001


def test_it_says_what_it_compiles_and_reuses(begin: Begin) -> None:
    to_the_end(begin(iterations=4, decay=0.45))
    assert [line.split(":")[1].split(",")[0] for line in begin.said] == [
        " objective compiled",
        " objective compiled",
    ]
    begin.said.clear()
    to_the_end(begin(iterations=4, decay=0.45))
    assert all("objective reused" in line for line in begin.said) and len(begin.said) == 2


def test_a_phase_that_has_converged_is_left_early(begin: Begin, inputs: Any) -> None:
    """With content alone, and that within the bounds, the start is the minimum."""
    gray = np.random.default_rng(0).integers(60, 200, (10, 12, 3), np.uint8)
    content = inputs.put("gray.png", gray.repeat(8, 0).repeat(8, 1))
    frozen = inputs.frozen(style_weight=0.0, tv_weight=0.0, scales=2, iterations=10)
    live = begin(frozen.model_copy(update={"content": content}))
    before, _ = live.picture()
    live.iterate()
    assert live.course.iteration == 4, "the coarse scale has nothing to do"
    rgb, _ = live.picture()
    assert rgb == pytest.approx(before, abs=0.5)
    to_the_end(live)
    assert [phase.iterations for phase in live.plan.phases] == [4, 6]
    assert live.course.iteration == 10


def test_an_objective_that_is_not_finite_is_the_jobs_fault_in_words(begin: Begin) -> None:
    live = begin(style_weight=1e38)
    with pytest.raises(JobFault, match="lower content_weight, style_weight or tv_weight"):
        live.iterate()


def test_a_minimizer_without_memory_for_its_own_vectors_is_out_of_memory(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = begin()
    live.iterate()

    def starved(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(lbfgs.Lbfgs, "_direction", starved)
    with pytest.raises(OutOfMemoryFault, match="2 GiB"):
        live.iterate()


def test_a_size_that_is_too_small_is_the_jobs_fault(begin: Begin) -> None:
    with pytest.raises(JobFault, match="too small"):
        begin(size=(31, 300))


def test_a_size_that_the_output_format_cannot_hold_is_refused_before_the_first_iteration(
    begin: Begin,
) -> None:
    with pytest.raises(JobFault, match="16400 x 32 pixels, but webp holds at most 16383 a side"):
        begin(size=(16_400, 32), output_format="webp")


def test_what_the_minimizer_has_to_say_is_noted(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = begin()
    live.iterate()
    step = lbfgs.Lbfgs.step

    def noted(self: lbfgs.Lbfgs) -> Any:
        return replace(step(self), notes=("history dropped",))

    monkeypatch.setattr(lbfgs.Lbfgs, "step", noted)
    live.iterate()
    assert live.course.notes == ["iteration 2: history dropped"]
    assert begin.said[-1] == "iteration 2: history dropped"


def test_nothing_is_saved_before_the_first_iteration(begin: Begin, tmp_path: Path) -> None:
    live = begin()
    live.save(tmp_path)
    assert not list(tmp_path.glob("*.checkpoint"))
    assert not live.restore(tmp_path)


def test_a_checkpoint_of_another_plan_is_passed_over(begin: Begin, tmp_path: Path) -> None:
    live = begin()
    live.iterate()
    live.save(tmp_path)
    other = begin(scales=1)
    assert not other.restore(tmp_path)
    assert other.course.iteration == 0
    assert begin().restore(tmp_path)


def test_a_look_at_the_picture_is_small_and_changes_nothing(begin: Begin) -> None:
    live = begin()
    for _ in range(7):
        live.iterate()
    before, _ = live.picture()
    rgb, _ = live.glance(24)
    assert max(rgb.shape[:2]) == 24
    np.testing.assert_array_equal(live.picture()[0], before)


def test_kept_colors_are_those_of_pictures_and_not_of_the_render(begin: Begin) -> None:
    plain, kept = begin(color="style"), begin(color="keep")
    for live in (plain, kept):
        to_the_end(live)
    assert [entry.value for entry in plain.course.trace] == [
        entry.value for entry in kept.course.trace
    ]
    rgb, _ = plain.picture()
    shown, _ = kept.picture()
    np.testing.assert_array_equal(shown, kept.scene.colored(rgb))
    assert not np.array_equal(shown, rgb)
    glance, _ = kept.glance(40)
    np.testing.assert_array_equal(glance, kept.scene.colored(plain.glance(40)[0]))


def test_a_recipe_is_chosen_by_its_name(begin: Begin) -> None:
    weights = {"content_weight": 2.0, "style_weight": 3.0, "tv_weight": 0.5}
    assert recipe_of(begin(recipe="gatys", **weights).settings) == gatys("vgg16", **weights)
    chosen = begin(recipe="novak-nikulin", decay=0.25, **weights).settings
    assert recipe_of(chosen) == novak_nikulin("vgg16", decay=0.25, **weights)


def test_the_style_is_compared_region_by_region(begin: Begin, inputs: Inputs) -> None:
    half = np.full((80, 100, 3), 255, np.uint8)
    white = inputs.put("white.png", half)
    half[:, 50:] = 0
    values = []
    for mask in (None, white, inputs.put("left.png", half)):
        region = () if mask is None else (FrozenRegion(content=mask, style=None),)
        live = begin(inputs.frozen(scales=1).model_copy(update={"masks": region}))
        values.append(live.iterate().value)
    assert values[1] == pytest.approx(values[0], rel=1e-4)
    assert values[2] != pytest.approx(values[0], rel=0.05)


def test_the_history_of_a_huge_picture_takes_half_the_bytes_and_resumes_exactly(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelierd.render.live.COMPACT_HISTORY_PIXELS", 80 * 64)
    live = begin()
    while live.course.iteration < 8:
        live.iterate()
    live.save(tmp_path)
    pairs = live._minimizer._pairs
    assert pairs and {step.element_size() for step, _, _ in pairs} == {2}
    to_the_end(live)
    again = begin()
    assert again.restore(tmp_path)
    to_the_end(again)
    assert [entry.value for entry in again.course.trace] == [
        entry.value for entry in live.course.trace
    ]
    assert np.array_equal(again.picture()[0], live.picture()[0])
