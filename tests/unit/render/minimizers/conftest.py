"""Problems small enough to be solved exactly, in every kind of array that engines compute with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import torch
from numpy.typing import NDArray

from atelierd.render.minimizers import Problem

Vector = NDArray[np.float64]
Function = Callable[[Vector], tuple[float, Vector]]


@dataclass
class Bench:
    """A function between two bounds, its start, and a record of what was evaluated."""

    function: Function
    start: Vector
    lower: float
    upper: float
    kind: str = "numpy64"
    noise: float = 1e-10
    values: list[float] = field(default_factory=list)
    points: list[Vector] = field(default_factory=list)
    reads: int = 0
    compacts: bool = False
    """Whether the history is kept in bf16."""

    def array(self, x: Vector) -> Any:
        """`x` as an array of this bench's kind."""
        if self.kind == "torch":
            return torch.tensor(x, dtype=torch.float32)
        return x.astype(np.float64 if self.kind == "numpy64" else np.float32)

    def plain(self, x: Any) -> Vector:
        return np.array(x.float().numpy() if isinstance(x, torch.Tensor) else x, np.float64)

    @property
    def problem(self) -> Problem:
        plain = Problem(self._evaluate, self._read, self.lower, self.upper, self.noise)
        if not self.compacts:
            return plain
        return replace(plain, compact=torch.Tensor.bfloat16, expand=torch.Tensor.float)

    def _evaluate(self, x: Any) -> tuple[Any, Any]:
        point = self.plain(x)
        value, gradient = self.function(point)
        self.points.append(point)
        self.values.append(value)
        return self.array(np.array(value)), self.array(gradient)

    def _read(self, scalars: Sequence[Any]) -> list[float]:
        self.reads += 1
        return [float(scalar) for scalar in scalars]

    def solved_by_scipy(self) -> tuple[float, list[float]]:
        """Return the minimum, and the lowest value after each of SciPy's evaluations."""
        lowest: list[float] = []

        def recorded(x: Vector) -> tuple[float, Vector]:
            value, gradient = self.function(x)
            lowest.append(min([value, *lowest[-1:]]))
            return value, gradient

        scipy.optimize.minimize(
            recorded,
            self.start,
            jac=True,
            method="L-BFGS-B",
            bounds=scipy.optimize.Bounds(self.lower, self.upper),
            options={"maxiter": 5000, "maxfun": 10**6, "ftol": 1e-15, "gtol": 1e-12},
        )
        return lowest[-1], lowest


MakeBench = Callable[..., Bench]


def _quadratic(condition: float, seed: int) -> tuple[Function, int]:
    generator = np.random.default_rng(seed)
    size = 120
    basis, _ = np.linalg.qr(generator.standard_normal((size, size)))
    hessian = (basis * np.logspace(0, np.log10(condition), size)) @ basis.T
    center = generator.uniform(-200, 200, size)

    def function(x: Vector) -> tuple[float, Vector]:
        pull = hessian @ (x - center)
        return 0.5 * float((x - center) @ pull) + 100.0, pull

    return function, size


def _valley() -> tuple[Function, int]:
    """Rosenbrock's valley, stretched to gray levels."""

    def function(x: Vector) -> tuple[float, Vector]:
        value: float = scipy.optimize.rosen(x / 50) + 1.0
        return value, scipy.optimize.rosen_der(x / 50) / 50

    return function, 20


@pytest.fixture
def quadratic() -> MakeBench:
    """A quadratic whose minimum lies beyond the bounds in many of its 120 elements."""

    def make(condition: float = 1e3, seed: int = 0, kind: str = "numpy64") -> Bench:
        function, size = _quadratic(condition, seed)
        start = np.random.default_rng(seed + 1).uniform(-100, 120, size)
        return Bench(function, start, -100.0, 120.0, kind, 1e-10 if kind == "numpy64" else 1e-6)

    return make


@pytest.fixture
def valley() -> MakeBench:
    """Rosenbrock's function of 20 elements; `upper` below 50 keeps its minimum out of reach."""

    def make(upper: float = 100.0, kind: str = "numpy64") -> Bench:
        function, size = _valley()
        start = np.random.default_rng(1).uniform(-100, min(upper, 100), size)
        return Bench(function, start, -100.0, upper, kind, 1e-10 if kind == "numpy64" else 1e-6)

    return make
