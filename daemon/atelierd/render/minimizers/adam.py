"""Adam (Kingma and Ba, 2014), projected onto the bounds: slower than L-BFGS and very patient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from atelierd.engines.base import Array
from atelierd.render.minimizers.base import Problem, State, Step

#: Step length in gray levels: what an element whose gradient never changes sign moves a step.
LEARNING_RATE = 3.0
#: Decay of the mean of gradients and of the mean of their squares.
BETA1, BETA2 = 0.9, 0.99
#: Keeps the division defined where a gradient has always been zero.
EPSILON = 1e-12
#: What remains of a step, and of the step length, where the objective turned out not to be finite.
RETREAT = 0.1
#: Times that it steps back before it gives up.
MOST_RETREATS = 6


class Adam:
    """Adam with bias correction; every step is clipped to the bounds.

    A step that ends where the objective is not finite is taken back for the most part, and the
    steps after it are shorter.
    """

    def __init__(self, problem: Problem, x: Array, rate: float = LEARNING_RATE) -> None:
        self._problem = problem
        self.x: Array = x.clip(problem.lower, problem.upper)
        self._mean: Array = x * 0.0
        self._square: Array = x * 0.0
        self._count = 0
        self._rate = rate
        self._retreats = 0
        # The last point at which the objective was finite, and its value.
        self._good: Array = None
        self._value = math.nan

    def step(self) -> Step:
        """Evaluate at `x` and move; the value is the one before the move."""
        value, gradient = self._problem.evaluate(self.x)
        (number, norm) = self._problem.read([value, gradient @ gradient])
        if not math.isfinite(number) or not math.isfinite(norm):
            return self._retreat()
        self._good, self._value = self.x, number
        self._count += 1
        self._mean = self._mean * BETA1 + gradient * (1 - BETA1)
        self._square = self._square * BETA2 + gradient * gradient * (1 - BETA2)
        mean = self._mean / (1 - BETA1**self._count)
        root = (self._square / (1 - BETA2**self._count)) ** 0.5
        moved = self.x - mean / (root + EPSILON) * self._rate
        self.x = moved.clip(self._problem.lower, self._problem.upper)
        return Step(number, 1)

    def _retreat(self) -> Step:
        if self._good is None:
            note = "the objective is not finite at the start; check the images and weights"
            return Step(math.nan, 1, (note,), converged=True)
        if self._retreats == MOST_RETREATS:
            self.x = self._good
            note = "the objective is not finite anywhere around; nothing more can be gained"
            return Step(self._value, 1, (note,), converged=True)
        self._retreats += 1
        self._rate *= RETREAT
        self.x = self._good + (self.x - self._good) * RETREAT
        note = "the objective is not finite there: going back, and on in shorter steps"
        return Step(self._value, 1, (note,))

    def state(self) -> State:
        """Return the points, both means, and how far it has come."""
        state: State = {
            "x": self.x,
            "mean": self._mean,
            "square": self._square,
            "count": self._count,
            "rate": self._rate,
            "retreats": self._retreats,
            "value": self._value,
        }
        if self._good is not None:
            state["good"] = self._good
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.x, self._mean, self._square = state["x"], state["mean"], state["square"]
        self._count, self._rate = int(state["count"]), state["rate"]
        self._retreats, self._value = int(state["retreats"]), state["value"]
        self._good = state.get("good")

    def close(self) -> None:
        """Hold nothing."""
