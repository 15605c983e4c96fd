from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from atelierd.render.minimizers import Step
from atelierd.render.minimizers.adam import LEARNING_RATE, MOST_RETREATS, Adam

Vector = NDArray[np.float64]
MakeBench = Callable[..., Any]


@pytest.mark.parametrize("kind", ["numpy64", "numpy32", "torch"])
def test_it_comes_near_the_minimum_within_the_bounds(quadratic: MakeBench, kind: str) -> None:
    bench = quadratic(condition=30.0, kind=kind)
    minimum, lowest = bench.solved_by_scipy()
    minimizer = Adam(bench.problem, bench.array(bench.start))
    for _ in range(300):
        step = minimizer.step()
    assert step.value < minimum + 1e-2 * (lowest[0] - minimum)
    assert max(np.abs(point).max() for point in bench.points) <= 120


def test_the_first_step_moves_every_element_by_the_learning_rate(quadratic: MakeBench) -> None:
    bench = quadratic()
    bench.start = bench.start.clip(-90, 110)
    minimizer = Adam(bench.problem, bench.array(bench.start))
    step = minimizer.step()
    moved = np.abs(bench.plain(minimizer.x) - bench.start)
    assert moved == pytest.approx(LEARNING_RATE, rel=1e-6)
    assert step.value == bench.function(bench.start)[0], "the value is the one before the move"
    assert bench.reads == step.evaluations == 1


def test_an_element_without_gradient_stays(quadratic: MakeBench) -> None:
    bench = quadratic()
    bench.function = lambda x: (float(x[0]), np.eye(len(x))[0])
    minimizer = Adam(bench.problem, bench.array(bench.start))
    for _ in range(5):
        minimizer.step()
    assert bench.plain(minimizer.x)[1:] == pytest.approx(bench.start[1:])


def slope(x: Vector) -> tuple[float, Vector]:
    """Falls towards 60 and is not finite beyond."""
    return (math.nan, x * math.nan) if x.max() > 60 else (1e4 - float(x.sum()), -np.ones_like(x))


def test_it_steps_back_from_where_the_objective_is_not_finite(quadratic: MakeBench) -> None:
    bench = quadratic()
    bench.function, bench.start = slope, np.full(10, 50.5)
    minimizer = Adam(bench.problem, bench.array(bench.start))
    steps = [minimizer.step() for _ in range(30)]
    assert all(math.isfinite(step.value) for step in steps)
    assert any("going back" in note for step in steps for note in step.notes)
    assert steps[-1].value <= min(step.value for step in steps[:4])
    assert bench.plain(minimizer.x).max() < 60.5


def test_it_gives_up_at_the_last_good_point(quadratic: MakeBench) -> None:
    bench = quadratic()
    bench.start = np.full(10, 50.0)
    first = Adam(bench.problem, bench.array(bench.start))
    bench.function = lambda x: slope(x) if (x == 50.0).all() else (math.inf, x)
    steps: list[Step] = []
    while not (steps and steps[-1].converged):
        steps.append(first.step())
    assert len(steps) == MOST_RETREATS + 2
    assert steps[-1].value == slope(bench.start)[0]
    assert bench.plain(first.x) == pytest.approx(50.0)


def test_a_start_that_is_not_finite_is_told(quadratic: MakeBench) -> None:
    bench = quadratic()
    bench.function = lambda x: (1.0, x * math.nan)
    step = Adam(bench.problem, bench.array(bench.start)).step()
    assert step.converged and math.isnan(step.value)
