"""Every minimizer, stopped after any iteration and restored in another, goes the same way on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from atelierd.render.minimizers import Minimizer, make_minimizer
from atelierd.render.minimizers.base import MinimizerName

MakeBench = Callable[..., Any]
STEPS = 26


def through_a_file(bench: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint makes of a state: numbers through JSON, arrays through bytes."""
    found = {}
    for key, value in state.items():
        if value is None or isinstance(value, (int, float)):
            found[key] = json.loads(json.dumps(value))
        elif isinstance(value, np.ndarray):
            found[key] = np.frombuffer(value.tobytes(), value.dtype).copy()
        else:
            found[key] = bench.array(bench.plain(value))
    return found


def trace(bench: Any, minimizer: Minimizer, steps: int) -> list[Any]:
    found = []
    for _ in range(steps):
        step = minimizer.step()
        found.append((step, bench.plain(minimizer.x).tobytes()))
    return found


@pytest.mark.parametrize("name", ["lbfgs", "lbfgsb", "adam"])
@pytest.mark.parametrize("kind", ["numpy32", "torch"])
def test_the_steps_after_a_restore_are_those_that_would_have_followed(
    quadratic: MakeBench, name: MinimizerName, kind: str
) -> None:
    bench = quadratic(condition=1e4, kind=kind)
    start = bench.array(bench.start)
    whole = make_minimizer(name, bench.problem, start, 10)
    expected = trace(bench, whole, STEPS)
    whole.close()
    running = make_minimizer(name, bench.problem, start, 10)
    for done in range(1, STEPS):
        trace(bench, running, 1)
        state = through_a_file(bench, running.state())
        resumed = make_minimizer(name, bench.problem, start * 0, 10)
        resumed.restore(state)
        # All the way from some of them; from each far enough to feel what was lost.
        rest = STEPS - done if done % 9 == 0 else min(2, STEPS - done)
        assert trace(bench, resumed, rest) == expected[done : done + rest], f"after {done}"
        resumed.close()
    running.close()


def test_a_resume_after_the_fall_back_to_adam_goes_on_with_adam(quadratic: MakeBench) -> None:
    bench = quadratic(kind="torch")
    honest = bench.function
    bench.function = lambda x: (honest(x)[0], -honest(x)[1])
    running = make_minimizer("lbfgs", bench.problem, bench.array(bench.start), 10)
    assert any("Adam" in note for note in running.step().notes)
    bench.function = honest
    trace(bench, running, 3)
    state = through_a_file(bench, running.state())
    resumed = make_minimizer("lbfgs", bench.problem, bench.array(bench.start * 0), 10)
    resumed.restore(state)
    assert bench.plain(resumed.x).tobytes() == bench.plain(running.x).tobytes()
    assert trace(bench, resumed, 5) == trace(bench, running, 5)


def test_a_state_is_not_changed_by_the_steps_after_it(quadratic: MakeBench) -> None:
    for name in ("lbfgs", "lbfgsb", "adam"):
        bench = quadratic(kind="torch")
        running = make_minimizer(name, bench.problem, bench.array(bench.start), 10)
        trace(bench, running, 4)
        state = running.state()
        before = through_a_file(bench, state)
        trace(bench, running, 4)
        after = through_a_file(bench, state)
        running.close()
        assert before.keys() == after.keys()
        for key in before:
            np.testing.assert_array_equal(before[key], after[key])
