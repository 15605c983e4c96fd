"""How a render is to be executed: predicted memory and time, and the fastest way that fits.

A whole picture at once where memory allows; else each block of layers computed a second time on
the way down; else tile by tile, in the largest tiles that fit. Everything here is a pure function
of the plan, the machine's model and the bytes available.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from atelierd.engines.base import WHOLE, Execution
from atelierd.engines.recipe import Recipe
from atelierd.errors import JobFault
from atelierd.render.machine import REFERENCE, MachineModel, content_features, features, work
from atelierd.render.minimizers.base import LONGEST_RUN, MinimizerName
from atelierd.render.plan import COMPACT_HISTORY_PIXELS, LEAST_SIDE, Phase, Plan
from atelierd.render.tiling import tile_sides, tiling
from atelierd.weights.network import kernel_shapes

#: Bytes of content targets that an engine keeps of coarser scales, for the next render.
KEPT_TARGETS = 512 * 2**20
#: Bytes for each pixel of the result while a picture is turned into a file, in the background.
OUTPUT_BYTES = 48.0
#: Share of the content's features that an objective keeps: all, each block's input, none.
_KEPT_SHARE = {"whole": 1.0, "recompute": 0.13, "tiled": 0.0}
#: Bytes of each weight of a network: as they were read, and both ways in either precision.
WEIGHT_BYTES = 4 + 2 * (4 + 2)
#: Bytes for each pixel that ten pairs of three channels take less in bf16.
COMPACT_SAVES = 10 * 2 * 3 * 2
#: Bytes of a pixel of a style as a network input: all of them are there while targets are set.
STYLE_BYTES = 3 * 4
#: Bytes of a number in each precision.
_ITEM = {"fp32": 4, "tf32": 4, "bf16": 2}


@dataclass(frozen=True)
class Demand:
    """What a render asks for, apart from its plan."""

    recipe: Recipe
    minimizer: MinimizerName
    styles: int = 1
    """Style images; each has about as many pixels as the result, at a scale of 1."""
    picture_bytes: int = 0
    """Of the decoded pictures, at their own sizes."""
    restart_every: int = LONGEST_RUN
    """Iterations after which a minimizer that is restarted now and then begins anew."""
    style_scale: float = 1.0
    """Sides of a style relative to the result's."""


@dataclass(frozen=True)
class Forecast:
    """What a plan takes: peak bytes of the process, and seconds of all its iterations."""

    plan: Plan
    bytes: int
    seconds: float


@dataclass(frozen=True)
class _Left:
    """What is still held of the phases before one."""

    kept: float = 0.0
    """Targets for the next render, and what is not the phases' own."""
    fixed: float = 0.0
    """Bytes that an execution takes at any size: the framework gives none of them back."""


class Planner:
    """Plans one kind of render on one machine."""

    def __init__(self, model: MachineModel, demand: Demand) -> None:
        self._model = model
        self._demand = demand
        recipe = demand.recipe
        self._work = work(recipe) / work(REFERENCE)
        # What comes down beside the kept features has the width of the first layers, in any recipe.
        self._features = (features(recipe) + content_features(recipe)) / (
            features(REFERENCE) + content_features(REFERENCE)
        )

        measured = model.identity
        # On a GPU there is only the one whose turn it is; the others wait in the machine's memory.
        together = demand.styles if measured is None or measured.device == "cpu" else 1
        self._style_bytes = STYLE_BYTES * together * demand.style_scale**2

    def knows(self, plan: Plan) -> bool:
        """Whether there are figures for the way in which every phase is executed."""
        return all(
            phase.execution.method in self._model.costs_in(phase.precision) for phase in plan.phases
        )

    def forecast(self, plan: Plan) -> Forecast:
        """Return what `plan` takes, executed as its phases say."""
        peak = float(self._model.start_bytes)
        left = self._at_first(plan)
        for phase in plan.phases:
            peak = max(peak, self._phase_bytes(phase, left))
            left = self._left_by(phase, left)
        seconds = sum(self._phase_seconds(phase) for phase in plan.phases)
        return Forecast(plan, math.ceil(peak), seconds)

    def within(self, course: Plan, available: float) -> Forecast | None:
        """Return the fastest way to execute `course` in `available` bytes; None if there is none.

        The executions that its phases name count for nothing.
        """
        found = self._fastest(course, available) or self.smallest(course)
        return found if found.bytes <= available else None

    def _fastest(self, course: Plan, available: float) -> Forecast | None:
        """Return the plan whose phases are each the fastest that fits beside those before it.

        None if what coarse ones leave behind makes a fine one too large.
        """
        chosen: list[Execution] = []
        left = self._at_first(course)
        for phase in course.phases:
            fitting = (
                execution
                for execution in self._ways(phase)
                if self._phase_bytes(replace(phase, execution=execution), left) <= available
            )
            execution = next(fitting, None)
            if execution is None:
                return None
            chosen.append(execution)
            left = self._left_by(replace(phase, execution=execution), left)
        return self.forecast(course.executed(chosen))

    def smallest(self, course: Plan) -> Forecast:
        """Return the way to execute `course` that takes the least memory."""
        return self.forecast(
            course.executed(
                [
                    min(
                        self._ways(phase),
                        key=lambda one, phase=phase: self._phase_bytes(  # type: ignore[misc]
                            replace(phase, execution=one), _Left()
                        ),
                    )
                    for phase in course.phases
                ]
            )
        )

    def fitting(self, course: Plan, available: float) -> Forecast:
        """Return the fastest way to execute `course` in `available` bytes.

        Raises JobFault, with the largest size that fits, if there is none.
        """
        found = self.within(course, available)
        if found is not None:
            return found
        width, height = course.size
        needed = self.smallest(course).bytes
        largest = self._largest(course, available)
        hint = "" if largest is None else f"; the largest that fits is {largest[0]} x {largest[1]}"
        raise JobFault(
            f"size: {width} x {height} needs about {needed / 2**30:.1f} GiB of memory, and "
            f"{available / 2**30:.1f} GiB are free{hint}"
        )

    def _ways(self, phase: Phase) -> Iterator[Execution]:
        """Give the ways to execute a phase, the fastest first."""
        known = self._model.costs_in(phase.precision)
        yield WHOLE
        if "recompute" in known:
            yield Execution("recompute")
        if "tiled" in known:
            for side in tile_sides(phase.width, phase.height):
                yield Execution("tiled", side)

    def _at_first(self, plan: Plan) -> _Left:
        """Return what is held beside phases: a picture on its way to the disk, a larger network."""
        shapes = [kernel_shapes(one.network) for one in (self._demand.recipe, REFERENCE)]
        mine, reference = (sum(math.prod(shape) for shape in shapes_) for shapes_ in shapes)
        return _Left(
            OUTPUT_BYTES * plan.phases[-1].pixels + WEIGHT_BYTES * max(0, mine - reference)
        )

    def _left_by(self, phase: Phase, left: _Left) -> _Left:
        """Return what is still held when a phase has ended, with what was before it."""
        share = _KEPT_SHARE[phase.execution.method]
        numbers = content_features(self._demand.recipe) * phase.pixels
        targets = min(KEPT_TARGETS, share * numbers * _ITEM[phase.precision])
        cost = self._model.costs_in(phase.precision)[phase.execution.method]
        return _Left(left.kept + targets, max(left.fixed, cost.bytes))

    def _phase_bytes(self, phase: Phase, left: _Left) -> float:
        """Return the peak of one phase after those that have `left` something."""
        execution = phase.execution
        cost = self._model.costs_in(phase.precision)[execution.method]
        features = cost.bytes_per_pixel * phase.pixels
        if execution.method == "tiled":
            tiles = tiling(phase.width, phase.height, execution.tile, self._demand.recipe)
            features += cost.bytes_per_tile_pixel * tiles.largest
        minimizer = self._model.minimizers[self._demand.minimizer]
        between = (minimizer.peak_bytes_per_pixel - minimizer.bytes_per_pixel) * phase.pixels
        evaluation = self._features * features
        # At twice the result's sides a style's Gram matrices take about what an evaluation does.
        targets = self._style_bytes * phase.pixels
        targets += evaluation * min(1.0, self._demand.style_scale**2 / 4)
        return (
            self._model.base_bytes
            + self._demand.picture_bytes
            + left.kept
            + max(left.fixed, cost.bytes)
            + (minimizer.bytes_per_pixel - self._saved(phase)) * phase.pixels
            + max(evaluation, between, targets)
        )

    def _saved(self, phase: Phase) -> float:
        """Return the bytes for each pixel that a compact history does without."""
        compacts = self._demand.minimizer == "lbfgs" and phase.pixels >= COMPACT_HISTORY_PIXELS
        return COMPACT_SAVES if compacts else 0.0

    def _phase_seconds(self, phase: Phase) -> float:
        execution = phase.execution
        cost = self._model.costs_in(phase.precision)[execution.method]
        tiles, pixels = 1, phase.pixels
        if execution.method == "tiled":
            cut = tiling(phase.width, phase.height, execution.tile, self._demand.recipe)
            tiles, pixels = cut.tiles, cut.pixels
        evaluation = cost.seconds * tiles + self._work * cost.seconds_per_pixel * pixels
        minimizer = self._model.minimizers[self._demand.minimizer]
        iteration = minimizer.evaluations * evaluation + minimizer.seconds_per_pixel * phase.pixels
        first = minimizer.first_evaluations * evaluation
        first += minimizer.first_seconds_per_pixel * phase.pixels
        images = 1 + self._demand.styles * self._demand.style_scale**2
        targets = self._work * cost.target_seconds_per_pixel * images * phase.pixels
        return targets + self._beginnings(phase) * first + phase.iterations * iteration

    def _beginnings(self, phase: Phase) -> int:
        """Return how often the minimizer begins anew; only SciPy's has restarts within a phase."""
        if self._demand.minimizer != "lbfgsb":
            return 1
        return max(1, math.ceil(phase.iterations / min(self._demand.restart_every, LONGEST_RUN)))

    def _largest(self, course: Plan, available: float) -> tuple[int, int] | None:
        """Return the largest (width, height) of the same shape that fits, if any does."""
        width, height = course.size

        def sized(scale: float) -> Plan:
            # The finest phase decides; the coarser ones are its fractions.
            phases = tuple(
                replace(
                    phase,
                    width=max(LEAST_SIDE, int(phase.width * scale)),
                    height=max(LEAST_SIDE, int(phase.height * scale)),
                )
                for phase in course.phases
            )
            return replace(course, phases=phases)

        too_small, too_large = LEAST_SIDE / min(width, height), 1.0
        if self.within(sized(too_small), available) is None:
            return None
        while (too_large - too_small) * max(width, height) > 1.0:
            middle = (too_small + too_large) / 2
            if self.within(sized(middle), available) is None:
                too_large = middle
            else:
                too_small = middle
        return sized(too_small).size
