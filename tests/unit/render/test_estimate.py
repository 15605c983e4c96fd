from __future__ import annotations

import pytest

from atelierd.render.estimate import pace, seconds_left
from atelierd.render.live import TraceEntry
from atelierd.render.plan import Phase, Plan

PLAN = Plan(
    (Phase(100, 100, 10, "bf16"), Phase(200, 200, 10, "bf16"), Phase(200, 200, 10, "fp32")), (30,)
)


def trace(*seconds: float) -> list[TraceEntry]:
    """Entries of iterations 1, 2, ... that ended after so many seconds."""
    return [TraceEntry(i + 1, 0, 0, 1.0, i + 1, at) for i, at in enumerate(seconds)]


def test_nothing_is_known_before_the_first_iteration() -> None:
    assert pace(PLAN, []) is None
    assert seconds_left(PLAN, []) is None


def test_compiling_counts_only_until_there_is_a_second_iteration() -> None:
    assert pace(PLAN, trace(5.0)) == 5.0
    assert pace(PLAN, trace(5.0, 6.0, 7.0)) == 1.0


def test_each_phase_has_a_pace_of_its_own() -> None:
    so_far = trace(*range(1, 11), 14.0, 18.0)
    assert pace(PLAN, so_far[:10]) == 1.0
    assert pace(PLAN, so_far[:11]) == 4.0
    assert pace(PLAN, so_far) == 4.0


def test_larger_and_more_precise_phases_to_come_are_taken_to_cost_more() -> None:
    # Half of the first phase at a second each, then four seconds for four times the pixels, and
    # twice that in fp32.
    assert seconds_left(PLAN, trace(1, 2, 3, 4, 5)) == pytest.approx(5 + 10 * 4 + 10 * 8)


def test_nothing_is_left_at_the_end_however_few_iterations_it_took() -> None:
    converged = [*trace(*range(1, 21)), TraceEntry(30, 0, 0, 1.0, 21, 21.0)]
    assert seconds_left(PLAN, converged) == 0
