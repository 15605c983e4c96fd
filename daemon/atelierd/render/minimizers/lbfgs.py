"""L-BFGS within bounds, on the device: the default minimizer.

Nocedal's two-loop recursion (1980) over the last pairs of steps and gradient changes; elements that
lie at a bound with the gradient pushing outward are held there for the step (two-metric projection,
Bertsekas, 1982), and the trial point is clipped to the bounds. The line search tries the full step
first and shortens it by interpolation until the Armijo condition holds; differences from the lowest
value so far that are below the objective's own noise count as none, so that low precision neither
stops it nor lets it climb.

Everything but the decisions stays on the device: an accepted step reads back one handful of
numbers, once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from atelierd.engines.base import Array, Scalar
from atelierd.render.minimizers.adam import Adam
from atelierd.render.minimizers.base import Problem, State, Step

#: Pairs of (step, gradient change) that the curvature is built from.
HISTORY = 10
#: Root mean square length of the very first step, in gray levels.
FIRST_STEP = 1.0
#: Share of the decrease promised by the slope that a step must bring (Armijo).
SUFFICIENT_DECREASE = 1e-4
#: Evaluations that one line search may take before the history is dropped.
MAX_TRIALS = 8
#: Adam's step length where it takes over: small, for the point that it starts from is a good one.
FALLBACK_RATE = 0.3
#: A pair whose curvature s.y / |s||y| is smaller than this says nothing and is not kept.
LEAST_CURVATURE = 1e-6


class Lbfgs:
    """Bounded L-BFGS; falls back to a plain gradient step, then to Adam, and says so."""

    def __init__(self, problem: Problem, x: Array, previous: Lbfgs | None = None) -> None:
        """Start at `x`, with the history of `previous` if that has vectors of the same length."""
        self._problem = problem
        self._x: Array = x.clip(problem.lower, problem.upper)
        self._value: float | None = None
        self._lowest = math.inf
        self._is_flat = False
        self._gradient: Array = None
        self._pairs: list[tuple[Array, Array, Scalar]] = []
        self._scale: Scalar = None
        self._fallback: Adam | None = None
        if previous is not None and previous._fallback is None and len(previous.x) == len(x):
            self._pairs, self._scale = list(previous._pairs), previous._scale

    @property
    def x(self) -> Array:
        """The flat vector after the last accepted step."""
        return self._x if self._fallback is None else self._fallback.x

    def step(self) -> Step:
        """Move to a better point, or drop the history, or hand over to Adam."""
        if self._fallback is not None:
            return self._fallback.step()
        evaluations = 0
        if self._value is None:
            evaluations += 1
            value, self._gradient = self._problem.evaluate(self._x)
            self._value, norm = self._problem.read([value, self._gradient @ self._gradient])
            if not math.isfinite(self._value) or not math.isfinite(norm):
                note = "the objective is not finite at the start; check the images and weights"
                return Step(math.nan, evaluations, (note,), converged=True)
            self._lowest = self._value
        notes: list[str] = []
        while True:
            had_history = bool(self._pairs)
            trials, moved = self._search()
            evaluations += trials
            if not had_history and self._is_flat:
                return Step(self._value, evaluations, tuple(notes), converged=True)
            if moved:
                return Step(self._value, evaluations, tuple(notes))
            if not had_history:
                break
            self._pairs.clear()
            notes.append("no step along the L-BFGS direction lowers the objective: history dropped")
        notes.append("the gradient's own direction does not lower it either: going on with Adam")
        self._fallback = Adam(self._problem, self._x, FALLBACK_RATE)
        return Step(self._value, evaluations, tuple(notes))

    def _allowance(self) -> float:
        return self._problem.noise * abs(self._lowest)

    def _search(self) -> tuple[int, bool]:
        """Search along the direction; return (evaluations taken, whether `x` moved)."""
        assert self._value is not None
        x, gradient = self._x, self._gradient
        lower, upper = self._problem.lower, self._problem.upper
        held = ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))
        free = gradient * ~held
        direction = self._direction(free) * ~held
        length = 1.0
        for trial in range(1, MAX_TRIALS + 1):
            moved = (x + direction * length).clip(lower, upper)
            step = moved - x
            value, new_gradient = self._problem.evaluate(moved)
            change = new_gradient - gradient
            numbers = self._problem.read(
                [value, gradient @ step, step @ change, step @ step, change @ change]
            )
            new_value, slope, curvature, step_square, change_square = numbers
            if trial == 1:
                # What the whole step would bring if the slope stayed what it is, beside what it
                # did bring: far less than that, and the minimum is no step away.
                self._is_flat = -slope <= self._problem.noise * max(
                    abs(self._lowest), abs(new_value) if math.isfinite(new_value) else 0.0
                )
            if step_square == 0.0:
                return trial, False
            finite = all(math.isfinite(number) for number in numbers)
            if finite and self._is_lower(new_value, slope):
                self._remember(step, change, curvature, step_square, change_square)
                self._x, self._value, self._gradient = moved, new_value, new_gradient
                self._lowest = min(self._lowest, new_value)
                return trial, True
            length *= _shorter(self._value, slope, new_value) if finite else 0.1
        return MAX_TRIALS, False

    def _is_lower(self, value: float, slope: float) -> bool:
        """Whether a trial point of that value is good enough."""
        if slope >= 0.0:
            # The bounds have bent the step uphill; a shorter one keeps its direction.
            return value < self._lowest
        return value <= self._lowest + SUFFICIENT_DECREASE * slope + self._allowance()

    def _direction(self, gradient: Array) -> Array:
        """Return minus the inverse Hessian's estimate times `gradient` (two-loop recursion)."""
        if not self._pairs:
            norm = (gradient @ gradient) ** 0.5
            return gradient * (-FIRST_STEP * math.sqrt(len(gradient)) / (norm + 1e-30))
        q = gradient
        weights = []
        expand = self._problem.expand
        for step, change, inverse_curvature in reversed(self._pairs):
            weight = (expand(step) @ q) * inverse_curvature
            q = q - expand(change) * weight
            weights.append(weight)
        q = q * self._scale
        for (step, change, inverse_curvature), weight in zip(
            self._pairs, reversed(weights), strict=True
        ):
            q = q + expand(step) * (weight - (expand(change) @ q) * inverse_curvature)
        return -q

    def _remember(
        self,
        step: Array,
        change: Array,
        curvature: float,
        step_square: float,
        change_square: float,
    ) -> None:
        if curvature <= LEAST_CURVATURE * math.sqrt(step_square * change_square):
            return
        compact = self._problem.compact
        self._pairs.append((compact(step), compact(change), 1.0 / curvature))
        del self._pairs[:-HISTORY]
        self._scale = curvature / change_square

    def state(self) -> State:
        """Return the point, its value and gradient, and the history."""
        state: State = {
            "x": self.x,
            "value": self._value,
            "lowest": self._lowest,
            "pairs": len(self._pairs),
        }
        if self._value is not None:
            state["gradient"] = self._gradient
        if self._pairs:
            state["scale"] = self._scale
        for i, (step, change, inverse_curvature) in enumerate(self._pairs):
            state |= {f"s{i}": step, f"y{i}": change, f"rho{i}": inverse_curvature}
        if self._fallback is not None:
            state |= {f"adam.{key}": value for key, value in self._fallback.state().items()}
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._x, self._value, self._lowest = state["x"], state["value"], state["lowest"]
        self._gradient = state.get("gradient")
        self._scale = state.get("scale")
        compact = self._problem.compact
        self._pairs = [
            (compact(state[f"s{i}"]), compact(state[f"y{i}"]), state[f"rho{i}"])
            for i in range(int(state["pairs"]))
        ]
        self._fallback = None
        if "adam.x" in state:
            self._fallback = Adam(self._problem, self._x, FALLBACK_RATE)
            prefix = "adam."
            self._fallback.restore(
                {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}
            )

    def close(self) -> None:
        """Hold nothing."""


def _shorter(value: float, slope: float, new_value: float) -> float:
    """Return the factor that shortens a step: the minimum of the parabola through what is known."""
    rise = new_value - value - slope
    if slope >= 0.0 or rise <= 0.0:
        return 0.5
    return min(0.5, max(0.1, -slope / (2.0 * rise)))
