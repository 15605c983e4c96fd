"""How many evaluations each minimizer takes to where SciPy's L-BFGS-B gets in so many.

    python -m tests.benchmarks.minimizers --size 160

All minimize the tutorial's objective in fp32 from the content image, at one size, within the same
bounds; SciPy runs without the tutorial's restarts. What is counted does not depend on how busy the
machine is.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from tests.benchmarks.measuring import machine, write
from tests.benchmarks.stands import engine, pictures
from torch import Tensor

from atelierd.engines.base import StyleImage
from atelierd.engines.recipe import novak_nikulin
from atelierd.engines.torch.engine import TorchEngine
from atelierd.render.live import NOISE
from atelierd.render.minimizers import Problem, make_minimizer
from atelierd.render.minimizers.base import MinimizerName
from atelierd.render.pixels import LOWER, UPPER

#: Evaluations of SciPy's at which its lowest value is the mark to reach.
MARKS = (25, 50, 100, 150, 200)


class Task:
    """The objective as a function of one flat tensor, with a record of the lowest value so far."""

    def __init__(self, size: int, threads: int) -> None:
        content, style = pictures(size)
        self.engine: TorchEngine = engine(threads)
        self._objective = self.engine.objective(novak_nikulin(), content, [StyleImage(style)])
        self.start = self.engine.to_device(content).reshape(-1)
        self.lowest: list[float] = []

    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return value and flat gradient at flat `x`."""
        value, gradient = self._objective.value_and_grad(x.reshape(self._objective.shape))
        self.lowest.append(min([float(value), *self.lowest[-1:]]))
        return value, gradient.reshape(-1)


def by_scipy(task: Task, most: int) -> list[float]:
    """Return the lowest value after each of SciPy's evaluations."""
    task.lowest = []

    def function(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = task.evaluate(task.start.new_tensor(x))
        return float(value), gradient.numpy().astype(np.float64)

    scipy.optimize.minimize(
        function,
        task.start.numpy().astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        bounds=scipy.optimize.Bounds(LOWER, UPPER),
        options={"maxiter": 10 * most, "maxfun": most, "ftol": 0.0, "gtol": 0.0},
    )
    return task.lowest


def by_ours(name: MinimizerName, task: Task, most: int, compacts: bool = False) -> list[float]:
    """Return the lowest value after each of the evaluations of the minimizer called `name`."""
    task.lowest = []
    problem = Problem(task.evaluate, task.engine.read, LOWER, UPPER, NOISE["fp32"])
    if compacts:
        problem = Problem(
            task.evaluate,
            task.engine.read,
            LOWER,
            UPPER,
            NOISE["fp32"],
            task.engine.compact,
            task.engine.expand,
        )
    minimizer = make_minimizer(name, problem, task.start, 10**6)
    while len(task.lowest) < most and not minimizer.step().converged:
        pass
    return task.lowest


def reached(lowest: list[float], mark: float) -> int | None:
    """Return after how many evaluations the value was at or below `mark`; None if it never was."""
    return next((i + 1 for i, value in enumerate(lowest) if value <= mark), None)


def main() -> None:
    """Minimize, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/minimizers.json"))
    options = parser.parse_args()
    console = Console()
    task = Task(options.size, options.threads)
    scipys = by_scipy(task, max(MARKS))
    most = 2 * max(MARKS)
    others = {
        "lbfgs": by_ours("lbfgs", task, most),
        "lbfgs, history in bf16": by_ours("lbfgs", task, most, compacts=True),
        "adam": by_ours("adam", task, most),
    }
    table = Table("SciPy's evaluations", "its objective", *others)
    rows = []
    for count in MARKS:
        mark = scipys[min(count, len(scipys)) - 1]
        found = {name: reached(lowest, mark) for name, lowest in others.items()}
        rows.append({"scipy": count, "objective": mark} | found)
        cells = (f"over {most}" if one is None else str(one) for one in found.values())
        table.add_row(str(count), f"{mark:.0f}", *cells)
    console.print(table)
    result = {"size": options.size, "machine": machine(options.threads), "marks": rows}
    write(options.json, result, console)


if __name__ == "__main__":
    main()
