from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from numpy.typing import NDArray

from atelierd.errors import NodeFault
from atelierd.render.minimizers.base import LONGEST_RUN
from atelierd.render.minimizers.lbfgsb import ScipyLbfgsb

Vector = NDArray[np.float64]
MakeBench = Callable[..., Any]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def single(x: object) -> Vector:
    """`x` rounded to single precision, as doubles."""
    return np.asarray(np.asarray(x, np.float32), np.float64)


def plain_runs(bench: Any, restart_every: int, runs: int) -> list[Vector]:
    """The tutorial's loop: SciPy again and again from its own result; all iterates.

    The engine computes in single precision, so SciPy sees the function of the rounded point.
    """
    iterates: list[Vector] = []
    x = single(bench.start)

    def rounded(point: Vector) -> tuple[float, Vector]:
        value, gradient = bench.function(single(point))
        return float(np.float32(value)), single(gradient)

    for _ in range(runs):
        result = scipy.optimize.minimize(
            rounded,
            x,
            jac=True,
            method="L-BFGS-B",
            bounds=[(bench.lower, bench.upper)] * len(x),
            callback=lambda intermediate_result: iterates.append(intermediate_result.x.copy()),
            options={"maxiter": restart_every},
        )
        x = result.x
    return iterates


@pytest.mark.parametrize("kind", ["numpy32", "torch"])
def test_it_is_scipys_own_iterate_for_iterate(quadratic: MakeBench, kind: str) -> None:
    bench = quadratic(kind=kind)
    expected = plain_runs(bench, 7, 4)
    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 7)
    found, values = [], []
    for _ in range(28):
        step = minimizer.step()
        found.append(bench.plain(minimizer.x))
        values.append(step.value)
    minimizer.close()
    assert len(expected) == 28
    np.testing.assert_array_equal(single(found), single(expected))
    assert values == [bench.plain(bench.array(np.array(bench.function(x)[0]))) for x in found]


def test_its_evaluations_are_scipys(quadratic: MakeBench) -> None:
    bench = quadratic(kind="numpy32")
    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 7)
    evaluations = sum(minimizer.step().evaluations for _ in range(21))
    assert evaluations == len(bench.values)
    own = len(bench.values)
    bench.values.clear()
    counted = bench.function
    calls = 0

    def counting(x: Vector) -> tuple[float, Vector]:
        nonlocal calls
        calls += 1
        value, gradient = counted(x)
        return value, gradient

    bench.function = counting
    plain_runs(bench, 7, 3)
    assert own == calls


def test_it_restarts_where_a_run_converges_and_ends_where_a_restart_finds_nothing(
    quadratic: MakeBench,
) -> None:
    bench = quadratic(condition=10.0)
    minimum, _ = bench.solved_by_scipy()
    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 50)
    for _ in range(200):
        step = minimizer.step()
        if step.converged:
            break
    assert step.converged and "converged" in step.notes[0]
    assert step.value == pytest.approx(minimum, rel=1e-5)


def test_a_long_run_is_cut_so_that_a_resume_repeats_little(quadratic: MakeBench) -> None:
    bench = quadratic(condition=1e5)
    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 1000)
    for _ in range(LONGEST_RUN + 3):
        minimizer.step()
    assert minimizer.state()["since_restart"] == 3
    minimizer.close()


def test_replayed_iterations_are_not_counted_again(quadratic: MakeBench) -> None:
    bench = quadratic()
    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 10)
    for _ in range(6):
        minimizer.step()
    state = minimizer.state()
    expected = minimizer.step()
    minimizer.close()
    other = ScipyLbfgsb(bench.problem, bench.array(bench.start * 0), 10)
    other.restore(state)
    assert other.step() == expected
    other.close()


def test_it_stands_where_it_stood_before_the_first_step_after_a_restore(
    quadratic: MakeBench,
) -> None:
    bench = quadratic()
    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 10)
    for _ in range(6):
        minimizer.step()
    other = ScipyLbfgsb(bench.problem, bench.array(bench.start * 0), 10)
    other.restore(minimizer.state())
    np.testing.assert_array_equal(other.x, minimizer.x)
    assert {k: np.asarray(v).tolist() for k, v in other.state().items()} == {
        k: np.asarray(v).tolist() for k, v in minimizer.state().items()
    }
    minimizer.close()


def test_closing_ends_its_thread_in_the_midst_of_a_run(quadratic: MakeBench) -> None:
    bench = quadratic()
    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 10)
    before = threading.active_count()
    minimizer.step()
    assert threading.active_count() == before + 1
    minimizer.close()
    assert threading.active_count() == before
    minimizer.close()


def test_it_goes_on_to_the_same_end_after_it_was_closed(quadratic: MakeBench) -> None:
    bench = quadratic()
    kept, closed = (ScipyLbfgsb(bench.problem, bench.array(bench.start), 10) for _ in range(2))
    for number in range(15):
        if number % 4 == 3:
            closed.close()
        assert closed.step() == kept.step()
        np.testing.assert_array_equal(closed.x, kept.x)
    kept.close()
    closed.close()


def test_a_failing_engine_ends_the_run_and_can_be_asked_again(quadratic: MakeBench) -> None:
    bench = quadratic()
    honest = bench.function
    smooth = ScipyLbfgsb(bench.problem, bench.array(bench.start), 10)
    expected = [smooth.step().value for _ in range(8)]
    smooth.close()

    def failing(x: Vector) -> tuple[float, Vector]:
        raise NodeFault("the device failed")

    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 10)
    found = [minimizer.step().value for _ in range(5)]
    bench.function = failing
    with pytest.raises(NodeFault, match="device"):
        minimizer.step()
    bench.function = honest
    found += [minimizer.step().value for _ in range(3)]
    minimizer.close()
    assert found == expected


def test_an_objective_that_is_not_finite_ends_it(quadratic: MakeBench) -> None:
    bench = quadratic()
    bench.function = lambda x: (math.nan, x * math.nan)
    minimizer = ScipyLbfgsb(bench.problem, bench.array(bench.start), 10)
    step = minimizer.step()
    assert not math.isfinite(step.value)
    minimizer.close()
