from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.render.models import BASE, cost, machine, planner

from atelierd.engines.base import WHOLE, Execution
from atelierd.engines.recipe import novak_nikulin
from atelierd.errors import JobFault
from atelierd.render.minimizers.base import MinimizerName
from atelierd.render.plan import Plan, make_plan
from atelierd.render.planner import Demand, Planner

SIDES = st.integers(64, 4000)


def course(width: int, height: int, iterations: int = 100) -> Plan:
    return make_plan((width, height), iterations, 2, "auto", "fp32")


def ways(plan: Plan) -> list[str]:
    return [phase.execution.method for phase in plan.phases]


def finest(plan: Plan) -> Execution:
    return plan.phases[-1].execution


def test_memory_and_time_are_those_of_the_figures() -> None:
    plan = make_plan((100, 200), 10, 1, 1, "fp32")
    forecast = planner().forecast(plan)
    assert forecast.bytes == BASE + (3000 + 100 + 48) * 100 * 200
    assert forecast.seconds == pytest.approx(10 * 1e-6 * 100 * 200)


def test_every_phase_counts_in_time_and_the_largest_in_memory() -> None:
    plan = make_plan((400, 400), 100, 1, 2, "fp32")
    small, large = plan.phases
    forecast = planner().forecast(plan)
    expected = 1e-6 * (small.iterations * small.pixels + large.iterations * large.pixels)
    assert forecast.seconds == pytest.approx(expected)
    # What the coarse scale's objective keeps of the content is there, too.
    alone = BASE + 3148 * large.pixels
    assert alone < forecast.bytes < alone + 1200 * small.pixels


@pytest.mark.parametrize(
    ("minimizer", "restart_every", "beginnings"),
    [("lbfgs", 10, 2), ("adam", 10, 2), ("lbfgsb", 10, 10), ("lbfgsb", 35, 4), ("lbfgsb", 70, 3)],
)
def test_what_a_minimizer_takes_to_begin_counts_each_time(
    minimizer: MinimizerName, restart_every: int, beginnings: int
) -> None:
    plan = make_plan((400, 400), 100, 1, 2, "fp32")
    small, large = plan.phases
    assert (small.iterations, large.iterations) == (40, 60)
    known = machine()
    costs = {
        name: cost.model_copy(update={"first_evaluations": 1.0, "first_seconds_per_pixel": 5e-6})
        for name, cost in known.minimizers.items()
    }
    demand = Demand(novak_nikulin(), minimizer, restart_every=restart_every)
    before = Planner(known, demand).forecast(plan).seconds
    after = Planner(known.model_copy(update={"minimizers": costs}), demand).forecast(plan).seconds
    each = 6e-6
    if minimizer == "lbfgsb":
        # Runs of at most 50 iterations, and none that goes on from one scale to the next.
        longest = min(restart_every, 50)
        of_small, of_large = math.ceil(40 / longest), math.ceil(60 / longest)
    else:
        of_small = of_large = 1
    assert of_small + of_large == beginnings
    expected = each * (of_small * small.pixels + of_large * large.pixels)
    assert after - before == pytest.approx(expected)


def test_less_memory_means_recomputing_then_tiles_then_smaller_tiles() -> None:
    plan, pixels = make_plan((1000, 1000), 10, 1, 1, "fp32"), 1_000_000
    ample = planner().fitting(plan, BASE + 3148 * pixels)
    assert finest(ample.plan) == WHOLE
    less = planner().fitting(plan, BASE + 3148 * pixels - 1)
    assert finest(less.plan) == Execution("recompute")
    sides = []
    for per_pixel in (1500, 1000, 700, 500):
        tiled = planner().fitting(plan, BASE + per_pixel * pixels)
        assert finest(tiled.plan).method == "tiled"
        assert tiled.bytes <= BASE + per_pixel * pixels
        sides.append(finest(tiled.plan).tile)
    assert sides == sorted(sides, reverse=True) and len(set(sides)) == len(sides)
    assert all(side % 32 == 0 for side in sides)


def test_only_the_phases_that_have_to_are_tiled() -> None:
    forecast = planner().fitting(course(2000, 2000), BASE + 1000 * 2000 * 2000)
    assert ways(forecast.plan)[0] == "whole" and ways(forecast.plan)[-1] == "tiled"


@given(SIDES, SIDES, st.floats(0.001, 40.0))
@settings(max_examples=60, deadline=None)
def test_what_is_chosen_fits_and_nothing_faster_does(
    width: int, height: int, gigabytes: float
) -> None:
    plan, available = course(width, height), gigabytes * 1e9
    found = planner().within(plan, available)
    if found is None:
        assert planner().smallest(plan).bytes > available
        return
    assert found.bytes <= available
    assert found.plan.course == plan.course
    assert found.bytes == planner().forecast(found.plan).bytes
    if finest(found.plan) != WHOLE:
        ways = [phase.execution for phase in found.plan.phases]
        assert planner().forecast(plan.executed([*ways[:-1], WHOLE])).bytes > available


@given(SIDES, SIDES, st.floats(0.0015, 1.0))
@settings(max_examples=60, deadline=None)
def test_the_size_that_is_named_as_the_largest_fits(
    width: int, height: int, gigabytes: float
) -> None:
    available = gigabytes * 1e9
    try:
        planner().fitting(course(width, height), available)
    except JobFault as fault:
        assert f"{width} x {height} needs about" in str(fault)
        named = re.search(r"the largest that fits is (\d+) x (\d+)", str(fault))
        if named is not None:
            largest = course(int(named[1]), int(named[2]))
            smallest = planner().smallest(largest)
            # Its own coarser scales are rounded another way.
            assert smallest.bytes <= 1.02 * available
            assert int(named[1]) / int(named[2]) == pytest.approx(width / height, rel=0.1)


def test_where_nothing_fits_no_size_is_named() -> None:
    with pytest.raises(JobFault) as fault:
        planner().fitting(course(300, 300), BASE // 2)
    assert "GiB of memory" in str(fault.value) and "largest" not in str(fault.value)


def test_an_engine_that_only_knows_whole_pictures_gets_no_other() -> None:
    only_whole = planner(costs={"fp32": {"whole": cost(3000.0, 1e-6)}})
    with pytest.raises(JobFault, match="the largest that fits"):
        only_whole.fitting(course(1000, 1000), BASE + 2000 * 1_000_000)
    assert not only_whole.knows(course(64, 64).executed([Execution("tiled", 64)]))
    assert only_whole.knows(course(64, 64))


def test_a_deeper_network_takes_more_of_both() -> None:
    plan = make_plan((500, 500), 10, 1, 1, "fp32")
    larger = Planner(machine(), Demand(novak_nikulin("vgg19"), "lbfgs")).forecast(plan)
    here = planner().forecast(plan)
    assert 1.05 * here.bytes < larger.bytes < 1.3 * here.bytes
    assert 1.2 * here.seconds < larger.seconds < 1.5 * here.seconds


def test_a_minimizer_that_writes_its_checkpoint_can_be_what_takes_the_most() -> None:
    plan = make_plan((500, 500), 10, 1, 1, "fp32")
    hungry = machine().minimizers["lbfgs"].model_copy(update={"peak_bytes_per_pixel": 9000.0})
    minimizers = {**machine().minimizers, "lbfgs": hungry}
    assert planner(minimizers=minimizers).forecast(plan).bytes == BASE + 9048 * 250_000


def test_pictures_and_the_start_of_the_process_count() -> None:
    plan = make_plan((64, 64), 10, 1, 1, "fp32")
    large = Planner(machine(), Demand(novak_nikulin(), "lbfgs", 1, 50_000_000))
    assert large.forecast(plan).bytes == planner().forecast(plan).bytes + 50_000_000
    assert planner(start_bytes=10**9).forecast(plan).bytes == 10**9


def test_a_compact_history_takes_less_memory_than_a_smaller_pictures_whole_one() -> None:
    below, above = (make_plan((side, side), 10, 1, 1, "fp32") for side in (1999, 2000))
    assert planner().forecast(above).bytes < planner().forecast(below).bytes


def test_all_styles_of_a_blend_have_a_place_while_targets_are_set() -> None:
    tiled = course(2000, 2000).executed([Execution("tiled", 256)] * len(course(2000, 2000).phases))
    blend = Demand(novak_nikulin(), "lbfgs", styles=64, style_scale=2.0)
    known = machine()
    few, many = planner().forecast(tiled), Planner(known, blend).forecast(tiled)
    inputs = 64 * 2**2 * 2000 * 2000 * 3 * 4
    assert BASE + inputs < many.bytes <= few.bytes + inputs
