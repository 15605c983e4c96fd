"""A machine with round figures, for plans that can be worked out by hand."""

from __future__ import annotations

from typing import Any

from atelierd.engines.recipe import novak_nikulin
from atelierd.render.machine import Cost, MachineModel, MinimizerCost
from atelierd.render.measuring import Beginning, Case, EvaluationSample, MinimizerSample
from atelierd.render.minimizers.base import MinimizerName
from atelierd.render.planner import Demand, Planner

BASE = 1_000_000


def cost(pixel: float, seconds: float, tile_pixel: float = 0.0) -> Cost:
    return Cost(
        seconds=0.0,
        seconds_per_pixel=seconds,
        target_seconds_per_pixel=0.0,
        bytes=0.0,
        bytes_per_pixel=pixel,
        bytes_per_tile_pixel=tile_pixel,
    )


def machine(**changes: Any) -> MachineModel:
    """Whole pictures take 3000 bytes a pixel, recomputed ones 1500, tiles 3000 of their own."""
    ways = {
        "whole": cost(3000.0, 1e-6),
        "recompute": cost(1500.0, 2e-6),
        "tiled": cost(100.0, 3e-6, 3000.0),
    }
    minimizer = MinimizerCost(
        evaluations=1.0,
        first_evaluations=0.0,
        seconds_per_pixel=0.0,
        bytes_per_pixel=100.0,
        peak_bytes_per_pixel=200.0,
    )
    facts: dict[str, Any] = {
        "start_bytes": BASE,
        "base_bytes": BASE,
        "costs": {"fp32": ways, "bf16": ways},
        "minimizers": dict.fromkeys(("lbfgs", "lbfgsb", "adam"), minimizer),
    }
    return MachineModel.model_validate(facts | changes)


def planner(**changes: Any) -> Planner:
    return Planner(machine(**changes), Demand(novak_nikulin(), "lbfgs"))


#: What a played bench's process holds before any picture.
PLAYED_BASE = 400_000_000


class PlayedBench:
    """Answers as a machine of known costs would."""

    def __init__(self, *_: object) -> None:
        """Take what a bench in a process of its own takes."""

    def close(self) -> None:
        """End nothing."""

    def begin(self) -> Beginning:
        facts = {"engine": "torch", "version": "2.9", "device": "cpu", "threads": "4"}
        return Beginning(facts, "bf16", 500_000_000, PLAYED_BASE)

    def evaluation(self, case: Case) -> EvaluationSample:
        blank = EvaluationSample(case, 0.0, 0.0, 0)
        tiles, pixels, largest = blank.tiles
        factor = 1 if case.precision == "fp32" else 0.5
        seconds = factor * (0.01 * tiles + 8e-6 * pixels)
        memory = 30e6 + 80 * blank.pixels + factor * 3000 * (largest or blank.pixels)
        return EvaluationSample(case, seconds, 2e-6 * 2 * blank.pixels, PLAYED_BASE + round(memory))

    def minimizer(self, name: MinimizerName, side: int) -> MinimizerSample:
        return MinimizerSample(
            name, side, 1e-7 * side**2, 3e-7 * side**2, 300 * side**2, 500 * side**2
        )
