from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelierd.engines.base import Precision
from atelierd.errors import JobFault
from atelierd.render.plan import COARSEST_SIDE, LEAST_SIDE, Phase, make_plan

Scales = int | Literal["auto"]
SIDES = st.integers(LEAST_SIDE, 5000)
SCALES: st.SearchStrategy[Scales] = st.one_of(st.just("auto"), st.integers(1, 8))
PRECISIONS = st.sampled_from(("fp32", "bf16"))


@given(SIDES, SIDES, st.integers(1, 2000), st.integers(1, 100), SCALES, PRECISIONS)
@settings(max_examples=300, deadline=None)
def test_every_plan_holds_together(
    width: int, height: int, iterations: int, snapshots: int, scales: Scales, precision: Precision
) -> None:
    snapshots = min(snapshots, iterations)
    plan = make_plan((width, height), iterations, snapshots, scales, precision)
    assert plan.iterations == iterations
    assert plan.size == (width, height)
    assert all(phase.iterations >= 1 for phase in plan.phases)
    assert all(min(phase.width, phase.height) >= LEAST_SIDE for phase in plan.phases)
    for before, after in pairwise(plan.phases):
        assert (before.width, before.height) <= (after.width, after.height)
        if (before.width, before.height) == (after.width, after.height):
            assert (before.precision, after.precision) == ("bf16", "fp32")
        else:
            # Half of it, to the pixel, so that the picture keeps its shape on the way up.
            assert abs(before.width - after.width / 2) <= 1
            assert abs(before.height - after.height / 2) <= 1
    assert len(plan.snapshots) == snapshots
    assert all(0 < before < after for before, after in pairwise((0, *plan.snapshots)[1:]))
    assert plan.snapshots[0] > 0 and plan.snapshots[-1] == iterations


@given(SIDES, SIDES, st.integers(1, 2000), SCALES)
@settings(max_examples=100, deadline=None)
def test_fp32_is_computed_in_fp32_throughout(
    width: int, height: int, iterations: int, scales: Scales
) -> None:
    plan = make_plan((width, height), iterations, 1, scales, "fp32")
    assert {phase.precision for phase in plan.phases} == {"fp32"}


@given(SIDES, SIDES, st.integers(50, 2000), SCALES)
@settings(max_examples=100, deadline=None)
def test_a_bf16_render_ends_in_fp32(
    width: int, height: int, iterations: int, scales: Scales
) -> None:
    plan = make_plan((width, height), iterations, 1, scales, "bf16")
    assert [phase.precision for phase in plan.phases].count("fp32") == 1
    assert plan.phases[-1].precision == "fp32"
    assert plan.phases[-1].iterations < plan.phases[-2].iterations


@given(st.integers(1, 60), st.integers(1, 8))
@settings(max_examples=200, deadline=None)
def test_the_finest_scale_has_its_share_where_there_are_enough_iterations(
    iterations: int, scales: int
) -> None:
    plan = make_plan((4096, 4096), iterations, 1, scales, "fp32")
    assert len(plan.phases) == min(scales, iterations)
    if iterations >= 3 * scales:
        assert plan.phases[-1].iterations == pytest.approx(
            iterations if scales == 1 else 0.6 * iterations, abs=1
        )


@given(SIDES, SIDES)
@settings(max_examples=100, deadline=None)
def test_automatic_scales_go_down_as_far_as_the_network_sees_something(
    width: int, height: int
) -> None:
    plan = make_plan((width, height), 1000, 1, "auto", "fp32")
    shortest = min(plan.phases[0].width, plan.phases[0].height)
    if len(plan.phases) > 1:
        assert COARSEST_SIDE - 1 <= shortest <= 2 * COARSEST_SIDE
    else:
        assert shortest < 2 * COARSEST_SIDE


def test_the_tutorials_plan_is_one_phase_with_a_snapshot_every_20_iterations() -> None:
    plan = make_plan((300, 300), 200, 10, 1, "fp32")
    assert plan.phases == (Phase(300, 300, 200, "fp32"),)
    assert plan.snapshots == tuple(range(20, 201, 20))


@pytest.mark.parametrize("size", [(LEAST_SIDE - 1, 500), (500, 1)])
def test_a_size_that_the_poolings_leave_nothing_of_is_the_jobs_fault(size: tuple[int, int]) -> None:
    with pytest.raises(JobFault, match=f"{size[0]} x {size[1]} pixels is too small"):
        make_plan(size, 100, 5, "auto", "fp32")


def test_tf32_ends_in_fp32_as_bf16_does() -> None:
    plan = make_plan((300, 300), 100, 1, 1, "tf32")
    assert [(phase.iterations, phase.precision) for phase in plan.phases] == [
        (88, "tf32"),
        (12, "fp32"),
    ]
