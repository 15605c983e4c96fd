"""Measuring what evaluations and minimizers take here; runs in a process of its own.

That process (see `BenchProcess`) does as a worker does, so its memory is a worker's; every
measurement begins with an engine made anew, so that none sees what another one has left.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atelierd.engines.base import Array, Engine, Execution, Image, Precision, StyleImage
from atelierd.render import checkpoint, pixels
from atelierd.render.checkpoint import OnHost
from atelierd.render.machine import REFERENCE
from atelierd.render.memory import memory_of
from atelierd.render.minimizers import Problem, make_minimizer
from atelierd.render.minimizers.base import MinimizerName
from atelierd.render.resident import EngineOptions, Resident
from atelierd.render.tiling import tiling

#: Evaluations that are timed at most, and the seconds after which no more are.
MOST_REPEATS, ENOUGH_SECONDS = 12, 3.0
#: Iterations of a minimizer: more than the pairs of its history.
ITERATIONS = 14


@dataclass(frozen=True)
class Case:
    """One evaluation to measure."""

    precision: Precision
    execution: Execution
    side: int
    """Of the square picture, in pixels."""


@dataclass(frozen=True)
class EvaluationSample:
    """What an evaluation took."""

    case: Case
    seconds: float
    """The median."""
    target_seconds: float
    """Setting the targets of one content and one style of its size."""
    peak_bytes: int
    """The process's."""

    @property
    def pixels(self) -> int:
        """Pixels of the picture."""
        return self.case.side**2

    @property
    def tiles(self) -> tuple[int, int, int]:
        """(tiles, pixels of all of them, pixels of the largest), with their halos."""
        if self.case.execution.method != "tiled":
            return 1, self.pixels, 0
        cut = tiling(self.case.side, self.case.side, self.case.execution.tile, REFERENCE)
        return cut.tiles, cut.pixels, cut.largest


@dataclass(frozen=True)
class MinimizerSample:
    """What a minimizer took, on an objective that takes next to nothing."""

    name: MinimizerName
    side: int
    seconds: float
    """An iteration's median once the history is full."""
    first_seconds: float
    """What the first one took more than that."""
    held_bytes: int
    """While an evaluation runs, beside the engine."""
    peak_bytes: int
    """At most, beside the engine; writing a checkpoint included."""


@dataclass(frozen=True)
class Beginning:
    """The process after its start, with one network loaded."""

    facts: Mapping[str, str]
    """As the engine describes itself."""
    fast_precision: Precision
    peak_bytes: int
    taken_bytes: int


class Bench:
    """Measures in the process that it is made in."""

    def __init__(
        self, options: EngineOptions, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Read seconds from `clock`: `time.process_time` sees nothing of other processes' work."""
        self._options = options
        self._clock = clock

    def begin(self) -> Beginning:
        """Load the network as a worker does. Raises WeightsError, WorldFault."""
        resident, engine = self._engine()
        memory = memory_of(engine)
        beginning = Beginning(
            dict(engine.describe()), engine.fast_precision, memory.peak(), memory.taken()
        )
        resident.close()
        return beginning

    def evaluation(self, case: Case) -> EvaluationSample:
        """Measure one evaluation. Raises NodeFault."""
        resident, engine = self._engine()
        memory = memory_of(engine)
        memory.forget_peak()
        content, style = (_picture(case.side, seed) for seed in (1, 2))
        started = self._clock()
        objective = engine.objective(
            REFERENCE, content, [StyleImage(style)], case.precision, case.execution
        )
        target_seconds = self._clock() - started
        x = engine.to_device(_picture(case.side, 3))
        seconds: list[float] = []
        while sum(seconds) < ENOUGH_SECONDS and len(seconds) <= MOST_REPEATS:
            started = self._clock()
            value, _ = objective.value_and_grad(x)
            engine.read([value])
            seconds.append(self._clock() - started)
        # The first one also allocates; where it takes long, that is next to nothing.
        timed = seconds[1:] or seconds
        peak = memory.peak()
        del objective, x, value, _
        resident.close()
        return EvaluationSample(case, statistics.median(timed), target_seconds, peak)

    def minimizer(self, name: MinimizerName, side: int) -> MinimizerSample:
        """Measure a minimizer on a parabola of as many variables as a picture has."""
        resident, engine = self._engine()
        memory = memory_of(engine)
        memory.forget_peak()
        before = memory.taken()
        parabola = _parabola(engine, side)
        held: list[int] = []

        def evaluate(x: Array) -> tuple[Any, Array]:
            if len(seconds) >= ITERATIONS - 2:
                memory.forget_peak()
                held.append(memory.taken() - before)
            return parabola(x)

        problem = Problem(evaluate, engine.read, pixels.LOWER, pixels.UPPER, 1e-6)
        start = engine.to_device(_picture(side, 3)).reshape(-1)
        minimizer = make_minimizer(name, problem, start, restart_every=2 * ITERATIONS)
        seconds: list[float] = []
        for _ in range(ITERATIONS):
            started = self._clock()
            minimizer.step()
            engine.read([minimizer.x[0]])
            seconds.append(self._clock() - started)
        with tempfile.TemporaryDirectory() as folder:
            arrays = {
                key: value
                for key, value in minimizer.state().items()
                if value is not None and not isinstance(value, (int, float))
            }
            on_host = OnHost(
                arrays, lambda one: one if isinstance(one, np.ndarray) else engine.to_host(one)
            )
            checkpoint.save(Path(folder), ITERATIONS, {}, on_host)
        peak = memory.peak() - before
        minimizer.close()
        resident.close()
        usual = statistics.median(seconds[-5:-2])
        first = max(0.0, seconds[0] - usual)
        return MinimizerSample(name, side, usual, first, max(held), peak)

    def _engine(self) -> tuple[Resident, Engine]:
        resident = Resident(self._options)
        return resident, resident.engine("torch", REFERENCE.network)


class BenchProcess:
    """A bench in a process of its own; its methods wait for the answer."""

    def __init__(
        self, options: EngineOptions, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Begin the process; see `Bench`."""
        self._executor = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up,
            initargs=(options, clock),
        )

    def begin(self) -> Beginning:
        """See `Bench.begin`."""
        return self._executor.submit(_begin).result()

    def evaluation(self, case: Case) -> EvaluationSample:
        """See `Bench.evaluation`."""
        return self._executor.submit(_evaluation, case).result()

    def minimizer(self, name: MinimizerName, side: int) -> MinimizerSample:
        """See `Bench.minimizer`."""
        return self._executor.submit(_minimizer, name, side).result()

    def close(self) -> None:
        """End the process."""
        self._executor.shutdown()


_bench: Bench


def _set_up(options: EngineOptions, clock: Callable[[], float]) -> None:
    global _bench
    _bench = Bench(options, clock)


def _begin() -> Beginning:
    return _bench.begin()


def _evaluation(case: Case) -> EvaluationSample:
    return _bench.evaluation(case)


def _minimizer(name: MinimizerName, side: int) -> MinimizerSample:
    return _bench.minimizer(name, side)


def _parabola(engine: Engine, side: int) -> Callable[[Array], tuple[Any, Array]]:
    """Return x -> (value, gradient) of a parabola that no minimizer is done with in a few steps."""
    steepness = engine.to_device(
        np.geomspace(1e-4, 1.0, 3 * side * side, dtype=np.float32).reshape(3, side, side)
    ).reshape(-1)

    def evaluate(x: Array) -> tuple[Any, Array]:
        gradient = x * steepness
        return gradient @ x / 2, gradient

    return evaluate


def _picture(side: int, seed: int) -> Image:
    """Return a network input of colored patches: what is in it does not matter."""
    coarse = np.random.default_rng(seed).uniform(-100, 100, (3, side // 16 + 1, side // 16 + 1))
    picture: Image = coarse.repeat(16, 1).repeat(16, 2)[:, :side, :side].astype(np.float32)
    return np.ascontiguousarray(picture)
