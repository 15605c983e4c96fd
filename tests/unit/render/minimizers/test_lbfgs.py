from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from atelierd.render.minimizers import make_minimizer
from atelierd.render.minimizers.lbfgs import HISTORY, Lbfgs

Vector = NDArray[np.float64]
MakeBench = Callable[..., Any]


def run(bench: Any, steps: int) -> tuple[Lbfgs, list[Any]]:
    minimizer = Lbfgs(bench.problem, bench.array(bench.start))
    done = []
    for _ in range(steps):
        done.append(minimizer.step())
        if done[-1].converged:
            break
    return minimizer, done


@pytest.mark.parametrize("kind", ["numpy64", "numpy32", "torch"])
def test_it_reaches_the_minimum_within_the_bounds(quadratic: MakeBench, kind: str) -> None:
    bench = quadratic(kind=kind)
    minimum, _ = bench.solved_by_scipy()
    minimizer, done = run(bench, 200)
    tolerance = 1e-9 if kind == "numpy64" else 1e-6
    assert done[-1].value == pytest.approx(minimum, rel=tolerance)
    found = bench.plain(minimizer.x)
    at_bounds = (found <= -100.0) | (found >= 120.0)
    assert 20 < at_bounds.sum() < 100, "the problem was meant to have bounds that bind"
    _, gradient = bench.function(found)
    free = 1e-5 if kind == "numpy64" else 2e-2
    assert np.abs(gradient[~at_bounds]).max() < free * np.abs(gradient).max()
    assert (gradient[found <= -100.0] > 0).all() and (gradient[found >= 120.0] < 0).all()


@pytest.mark.parametrize("kind", ["numpy64", "numpy32", "torch"])
def test_no_point_that_it_evaluates_leaves_the_bounds(quadratic: MakeBench, kind: str) -> None:
    bench = quadratic(kind=kind)
    bench.lower, bench.upper = -103.939, 131.32
    lower, upper = (float(bench.plain(bench.array(np.array(b)))) for b in (-103.939, 131.32))
    minimizer, _ = run(bench, 60)
    assert min(point.min() for point in bench.points) >= lower
    assert max(point.max() for point in bench.points) <= upper
    assert bench.plain(minimizer.x).min() == lower, "the problem was meant to press on its bounds"


def test_a_compact_history_leads_as_far_in_not_many_more_evaluations(
    quadratic: MakeBench,
) -> None:
    def evaluations(compacts: bool) -> int:
        bench = quadratic(kind="torch")
        bench.compacts = compacts
        minimum, _ = bench.solved_by_scipy()
        run(bench, 200)
        near = [i for i, value in enumerate(bench.values) if value <= minimum * (1 + 1e-5)]
        return near[0]

    assert evaluations(compacts=True) < 1.25 * evaluations(compacts=False)


def test_a_compact_history_is_restored_bit_for_bit(quadratic: MakeBench) -> None:
    bench = quadratic(kind="torch")
    bench.compacts = True
    first = Lbfgs(bench.problem, bench.array(bench.start))
    for _ in range(15):
        first.step()
    state = {
        key: bench.array(bench.plain(value)) if hasattr(value, "shape") and value.ndim else value
        for key, value in first.state().items()
    }
    second = Lbfgs(bench.problem, bench.array(bench.start))
    second.restore(state)
    for _ in range(5):
        assert first.step() == second.step()
        assert first.x.equal(second.x)
    assert all(step.element_size() == 2 for step, _, _ in second._pairs)


def test_it_passes_rosenbrocks_valley(valley: MakeBench) -> None:
    bench = valley()
    _, done = run(bench, 300)
    assert done[-1].value == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "allowed"),
    [
        ("quadratic", {"condition": 1e3}, 1.25),
        ("quadratic", {"condition": 1e5, "seed": 3}, 1.75),
        ("valley", {}, 1.25),
        ("valley", {"upper": 30.0}, 2.0),
    ],
    ids=["well conditioned", "badly conditioned", "free valley", "cut valley"],
)
@pytest.mark.parametrize("share", [1e-3, 1e-5])
def test_it_needs_about_as_many_evaluations_as_scipy(
    request: pytest.FixtureRequest,
    name: str,
    options: dict[str, Any],
    allowed: float,
    share: float,
) -> None:
    bench = request.getfixturevalue(name)(**options)
    minimum, lowest = bench.solved_by_scipy()
    goal = minimum + share * (lowest[0] - minimum)
    theirs = next(i for i, value in enumerate(lowest, 1) if value <= goal)
    run(bench, 400)
    ours = next(i for i, value in enumerate(bench.values, 1) if value <= goal)
    assert ours <= allowed * theirs + 5


def test_an_ordinary_iteration_is_one_evaluation_and_one_read(quadratic: MakeBench) -> None:
    bench = quadratic(condition=1e5)
    _, done = run(bench, 40)
    assert sum(step.evaluations for step in done) == len(bench.values)
    ordinary = [step.evaluations for step in done[10:]]
    assert ordinary.count(1) > 0.75 * len(ordinary)
    # The first point's value and gradient norm are read once more.
    assert bench.reads == len(bench.values)


def test_the_value_of_a_step_is_that_of_the_point_it_leads_to(valley: MakeBench) -> None:
    bench = valley()
    minimizer = Lbfgs(bench.problem, bench.array(bench.start))
    for _ in range(20):
        step = minimizer.step()
        assert step.value == bench.function(bench.plain(minimizer.x))[0]


def walled(poison: float) -> Callable[[Vector], tuple[float, Vector]]:
    """A slope up to a wall at 60, behind which nothing is finite; -1934 is its minimum."""

    def function(x: Vector) -> tuple[float, Vector]:
        if x.max() >= 60:
            return poison, x * (math.nan if math.isnan(poison) else 1.0)
        return 10_000 - float((10 * x + np.log(60 - x)).sum()), 1 / (60 - x) - 10

    return function


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_it_goes_around_where_the_objective_is_not_finite(valley: MakeBench, poison: float) -> None:
    bench = valley()
    bench.start, bench.function = np.linspace(20, 59.5, 20), walled(poison)
    minimizer, done = run(bench, 100)
    assert any(not math.isfinite(value) for value in bench.values), "the wall was not met"
    assert all(math.isfinite(step.value) for step in done)
    assert done[-1].value < done[0].value - 2000
    assert bench.plain(minimizer.x).max() < 60


def test_a_start_that_is_not_finite_is_told(valley: MakeBench) -> None:
    bench = valley()
    bench.start, bench.function = np.full(20, 70.0), walled(math.nan)
    _, (step,) = run(bench, 5)
    assert step.converged and math.isnan(step.value)
    assert "not finite" in step.notes[0]


def test_it_falls_back_to_adam_where_no_step_helps_and_says_so(quadratic: MakeBench) -> None:
    bench = quadratic()
    honest = bench.function

    def misleading(x: Vector) -> tuple[float, Vector]:
        value, gradient = honest(x)
        return value, -gradient

    bench.function = misleading
    minimizer, done = run(bench, 1)
    assert "Adam" in done[0].notes[-1]
    assert done[0].value == honest(bench.start)[0], "x has not moved"
    bench.function = honest
    for _ in range(200):
        step = minimizer.step()
        assert step.evaluations == 1 and not step.notes
    assert step.value < 0.9 * done[0].value
    assert bench.plain(minimizer.x).max() <= 120


def test_history_that_leads_nowhere_is_dropped_first(quadratic: MakeBench) -> None:
    bench = quadratic()
    minimizer, _ = run(bench, 8)
    before = minimizer.state()
    # Curvature of the wrong sign: what it has learned points uphill now.
    minimizer.restore(before | {"scale": -before["scale"], "pairs": 1, "rho0": -before["rho0"]})
    step = minimizer.step()
    assert "history dropped" in step.notes[0] and len(step.notes) == 1
    assert step.value < before["value"]


def test_it_is_converged_where_nothing_is_left_to_gain(quadratic: MakeBench) -> None:
    bench = quadratic()
    bench.function = lambda x: (7.0 + float(x @ x), 2 * x)
    bench.start = np.zeros(10)
    _, done = run(bench, 5)
    assert done[-1].converged and done[-1].value == 7.0
    assert not any("Adam" in note for step in done for note in step.notes)


def test_it_is_converged_in_a_corner_of_the_bounds(quadratic: MakeBench) -> None:
    bench = quadratic()
    bench.function = lambda x: (float(x.sum()) + 2000.0, np.ones_like(x))
    bench.start = np.zeros(10)
    minimizer, done = run(bench, 300)
    assert done[-1].converged and done[-1].value == 1000.0
    assert (bench.plain(minimizer.x) == -100.0).all()


@pytest.mark.parametrize("noise", [1e-3, 1e-2])
def test_noise_neither_stops_it_nor_lets_it_climb(quadratic: MakeBench, noise: float) -> None:
    bench = quadratic()
    honest, generator = bench.function, np.random.default_rng(5)
    bench.noise = noise
    minimum, _ = bench.solved_by_scipy()

    def noisy(x: Vector) -> tuple[float, Vector]:
        value, gradient = honest(x)
        return value * (1 + noise * generator.uniform(-0.3, 0.3)), gradient

    bench.function = noisy
    minimizer, _ = run(bench, 400)
    reached = honest(bench.plain(minimizer.x))[0]
    assert reached < minimum * (1 + 3 * noise)


def test_values_never_climb_beyond_the_noise_above_the_lowest(valley: MakeBench) -> None:
    bench = valley()
    bench.noise = 1e-2
    _, done = run(bench, 150)
    lowest = math.inf
    for step in done:
        lowest = min(lowest, step.value)
        assert step.value <= lowest * (1 + bench.noise)


def test_the_next_phase_of_the_same_size_takes_the_history_over(quadratic: MakeBench) -> None:
    bench = quadratic(condition=1e5)
    before, _ = run(bench, 30)
    after = make_minimizer("lbfgs", bench.problem, before.x, 10, previous=before)
    fresh = make_minimizer("lbfgs", bench.problem, before.x, 10)
    values = [[minimizer.step().value for _ in range(5)] for minimizer in (after, fresh)]
    assert values[0][-1] < values[1][-1]
    assert after.state()["pairs"] == HISTORY
    other = make_minimizer("lbfgs", bench.problem, before.x[:60], 10, previous=before)
    assert other.state()["pairs"] == 0
    adam = make_minimizer("adam", bench.problem, before.x, 10)
    assert make_minimizer("lbfgs", bench.problem, before.x, 10, adam).state()["pairs"] == 0


def test_the_history_is_of_bounded_length(quadratic: MakeBench) -> None:
    minimizer, _ = run(quadratic(condition=1e5), 40)
    state = minimizer.state()
    assert state["pairs"] == HISTORY
    assert f"s{HISTORY}" not in state and f"s{HISTORY - 1}" in state
