"""From measurements to a machine's model: what to measure, and the fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from atelierd import __version__
from atelierd.engines.base import WHOLE, Execution, Precision
from atelierd.render.machine import Cost, Identity, MachineModel, MinimizerCost
from atelierd.render.measuring import Beginning, Case, EvaluationSample, MinimizerSample
from atelierd.render.minimizers.base import MinimizerName

#: Sides of the pictures that whole evaluations are measured at.
SIDES = (96, 256, 512)
#: (side, tile) of tiled ones: the picture's size and the tile's each vary while the other stays.
TILED = ((256, 128), (512, 256), (512, 128))
#: Bytes for each pixel of a picture that is evaluated in tiles: the picture itself, its gradient,
#: content and style, as fp32 vectors, and one more of them on its way.
TILED_PIXEL_BYTES = 80.0
#: Sides of the pictures that minimizers are measured at.
MINIMIZER_SIDE = 640
MINIMIZERS: tuple[MinimizerName, ...] = ("lbfgs", "lbfgsb", "adam")
#: Evaluations per iteration, and where a phase begins, counted on photographs.
EVALUATIONS: dict[MinimizerName, tuple[float, float]] = {
    "lbfgs": (1.02, 1.0),
    "lbfgsb": (1.04, 1.0),
    "adam": (1.0, 0.0),
}


def cases(precisions: Sequence[Precision]) -> Iterator[Case]:
    """Give the evaluations to measure."""
    for precision in precisions:
        for execution in (WHOLE, Execution("recompute")):
            for side in SIDES:
                yield Case(precision, execution, side)
        for side, tile in TILED:
            yield Case(precision, Execution("tiled", tile), side)


class Measuring(Protocol):
    """What measures: a `Bench`, here or in a process of its own."""

    def begin(self) -> Beginning:
        """Load the network as a worker does."""
        ...

    def evaluation(self, case: Case) -> EvaluationSample:
        """Measure one evaluation."""
        ...

    def minimizer(self, name: MinimizerName, side: int) -> MinimizerSample:
        """Measure a minimizer."""
        ...


def measure(bench: Measuring, say: Callable[[str], None]) -> MachineModel:
    """Return the model of this machine. Raises WeightsError, NodeFault, WorldFault."""
    load = os.getloadavg()[0]
    say("starting")
    beginning = bench.begin()
    evaluations = []
    for case in cases(sorted({"fp32", beginning.fast_precision}, reverse=True)):
        sample = bench.evaluation(case)
        evaluations.append(sample)
        way: str = case.execution.method
        way += f" {case.execution.tile}" if case.execution.tile else ""
        say(f"{case.precision} {way}, {case.side} x {case.side}: {sample.seconds:.2f} s")
    minimizers = []
    for name in MINIMIZERS:
        say(f"minimizer {name}")
        minimizers.append(bench.minimizer(name, MINIMIZER_SIDE))
    return fit(
        beginning,
        evaluations,
        minimizers,
        measured_at=datetime.now(UTC).replace(microsecond=0),
        load=round(load, 2),
    )


def fit(
    beginning: Beginning,
    evaluations: Sequence[EvaluationSample],
    minimizers: Sequence[MinimizerSample],
    *,
    measured_at: datetime,
    load: float,
) -> MachineModel:
    """Return the model that the measurements fit best, relative to each."""
    groups: dict[Precision, dict[str, list[EvaluationSample]]] = {}
    for sample in evaluations:
        of_precision = groups.setdefault(sample.case.precision, {})
        of_precision.setdefault(sample.case.execution.method, []).append(sample)
    return MachineModel.model_validate(
        {
            "identity": Identity(
                atelierd=__version__,
                engine=beginning.facts["engine"],
                version=beginning.facts["version"],
                device=beginning.facts["device"],
                threads=int(beginning.facts["threads"]),
            ),
            "measured_at": measured_at,
            "load": load,
            "fast_precision": beginning.fast_precision,
            "start_bytes": beginning.peak_bytes,
            "base_bytes": beginning.taken_bytes,
            "costs": {
                precision: _costs(of_precision, beginning.taken_bytes)
                for precision, of_precision in groups.items()
            },
            "minimizers": {sample.name: _minimizer_cost(sample) for sample in minimizers},
        }
    )


def _costs(groups: Mapping[str, Sequence[EvaluationSample]], base_bytes: int) -> dict[str, Cost]:
    """Return the costs of one precision by method."""
    costs = {method: _cost(samples, base_bytes) for method, samples in groups.items()}
    if "tiled" in costs:
        costs["tiled"] = _tiled(costs["tiled"], groups["tiled"], costs["whole"], base_bytes)
    return costs


def _cost(samples: Sequence[EvaluationSample], base_bytes: int) -> Cost:
    tiles = [sample.tiles for sample in samples]
    seconds, seconds_per_pixel = _fitted(
        [(count, pixels) for count, pixels, _ in tiles], [one.seconds for one in samples]
    )
    fixed, per_pixel = _fitted([(1, one.pixels) for one in samples], _extra(samples, base_bytes))
    largest = max(samples, key=lambda one: one.pixels)
    return Cost(
        seconds=seconds,
        seconds_per_pixel=seconds_per_pixel,
        target_seconds_per_pixel=largest.target_seconds / (2 * largest.pixels),
        bytes=fixed,
        bytes_per_pixel=per_pixel,
    )


def _tiled(cost: Cost, samples: Sequence[EvaluationSample], whole: Cost, base_bytes: int) -> Cost:
    """Return the cost of tiles with its memory by the tile rather than by the picture.

    On the small pictures that can be measured quickly the two hardly differ, so what is known is
    put in: what the picture's own vectors take, and that a tile takes no less than a whole picture
    of its size. The rest is chosen so that no sample is above it.
    """
    extra = [
        taken - TILED_PIXEL_BYTES * one.pixels
        for one, taken in zip(samples, _extra(samples, base_bytes), strict=True)
    ]
    _, slope = _fitted([(1, one.tiles[2]) for one in samples], extra)
    slope = max(slope, whole.bytes_per_pixel)
    fixed = max(
        0.0, *(taken - slope * one.tiles[2] for one, taken in zip(samples, extra, strict=True))
    )
    memory = {
        "bytes": fixed,
        "bytes_per_pixel": TILED_PIXEL_BYTES,
        "bytes_per_tile_pixel": slope,
    }
    return cost.model_copy(update=memory)


def _extra(samples: Sequence[EvaluationSample], base_bytes: int) -> list[float]:
    """Return the peaks beside the engine."""
    return [max(0.0, one.peak_bytes - base_bytes) for one in samples]


def _minimizer_cost(sample: MinimizerSample) -> MinimizerCost:
    pixels = sample.side**2
    held = max(0, sample.held_bytes) / pixels
    return MinimizerCost(
        evaluations=EVALUATIONS[sample.name][0],
        first_evaluations=EVALUATIONS[sample.name][1],
        first_seconds_per_pixel=sample.first_seconds / pixels,
        seconds_per_pixel=sample.seconds / pixels,
        bytes_per_pixel=held,
        peak_bytes_per_pixel=max(held, sample.peak_bytes / pixels),
    )


def _fitted(factors: Sequence[Sequence[float]], found: Sequence[float]) -> list[float]:
    """Return non-negative coefficients of `factors` that come closest to `found`, relatively."""
    # Imported here: SciPy is not wanted in a process that only plans.
    from scipy.optimize import nnls

    weights = 1.0 / np.maximum(np.asarray(found, np.float64), 1e-9)
    matrix = np.asarray(factors, np.float64) * weights[:, None]
    # Columns of like size: pixels are a million times more than ones.
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    solution, _ = nnls(matrix / scale, np.ones(len(found)))
    return [float(value) for value in solution / scale]
