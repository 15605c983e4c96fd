"""The course of a render: its phases from coarse to fine, and when it shows a snapshot.

Most of the way to a good picture can be gone at a quarter of the size, where an iteration costs a
sixteenth: large strokes and colors settle there, and every finer scale starts from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from atelierd.engines.base import WHOLE, Execution, Precision
from atelierd.errors import JobFault

#: Shortest side that an automatic coarsest scale may have: five poolings must leave something.
COARSEST_SIDE = 72
#: Shortest side that VGG's five poolings leave a pixel of.
LEAST_SIDE = 32
#: Share of the iterations that the finest scale gets when there are coarser ones. With less, all of
#: them end sooner and higher, and one scale alone gets there as fast (tests.benchmarks.scales).
FINEST_SHARE = 0.6
#: Share of the finest scale's iterations that a render in bf16 or tf32 does in fp32 at its end.
POLISH_SHARE = 0.12
#: Iterations after which a render of one scale counts as drafted.
DRAFT_ITERATIONS = 10


#: Pixels from which on `lbfgs` keeps its history in half the bytes: it would outgrow the rest.
COMPACT_HISTORY_PIXELS = 4_000_000


@dataclass(frozen=True)
class Phase:
    """A run of iterations at one size, in one precision."""

    width: int
    height: int
    iterations: int
    precision: Precision
    execution: Execution = WHOLE
    """How its evaluations go over the picture; the planner's choice."""

    @property
    def pixels(self) -> int:
        """Pixels of the picture."""
        return self.width * self.height


@dataclass(frozen=True)
class Plan:
    """All phases of a render, coarse to fine, and the iterations after which a snapshot is due."""

    phases: tuple[Phase, ...]
    snapshots: tuple[int, ...]
    """Iteration counts over all phases, rising; the last is the end of the render."""

    @property
    def iterations(self) -> int:
        """Iterations of all phases together."""
        return sum(phase.iterations for phase in self.phases)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the result."""
        return self.phases[-1].width, self.phases[-1].height

    @property
    def draft(self) -> int:
        """Iterations after which there is a draft: the coarsest scale's, a few if it is alone."""
        first = self.phases[0].width, self.phases[0].height
        if first == self.size:
            return min(DRAFT_ITERATIONS, self.iterations)
        of_first = (one for one in self.phases if (one.width, one.height) == first)
        return sum(phase.iterations for phase in of_first)

    @property
    def course(self) -> str:
        """What makes two plans the same way to go, whatever memory each of them takes."""
        phases = [(one.width, one.height, one.iterations, one.precision) for one in self.phases]
        return f"{phases} {list(self.snapshots)}"

    def executed(self, executions: Sequence[Execution]) -> Plan:
        """Return this plan with an execution for each phase."""
        return replace(
            self,
            phases=tuple(
                replace(phase, execution=execution)
                for phase, execution in zip(self.phases, executions, strict=True)
            ),
        )


def make_plan(
    size: tuple[int, int],
    iterations: int,
    snapshots: int,
    scales: int | Literal["auto"],
    precision: Precision,
) -> Plan:
    """Return the plan of a render to (width, height) pixels.

    `precision` is what most of it is computed in; any but fp32 ends with iterations in fp32, for
    bf16 leaves the objective a few percent higher. Every phase gets at least one iteration, so a
    plan of few iterations has fewer scales. Raises JobFault if a side is shorter than LEAST_SIDE.
    """
    if min(size) < LEAST_SIDE:
        raise JobFault(
            f"size: {size[0]} x {size[1]} pixels is too small for the network; both sides must be "
            f"at least {LEAST_SIDE}"
        )
    sizes = list(_sizes(size, scales))[-max(1, iterations) :]
    counts = _shares(iterations, len(sizes))
    phases = [
        Phase(width, height, count, precision)
        for (width, height), count in zip(sizes, counts, strict=True)
    ]
    if precision != "fp32":
        last = phases.pop()
        polish = round(last.iterations * POLISH_SHARE)
        if polish < last.iterations:
            phases.append(Phase(last.width, last.height, last.iterations - polish, precision))
        if polish:
            phases.append(Phase(last.width, last.height, polish, "fp32"))
    due = tuple(
        sorted({round(iterations * (i + 1) / snapshots) for i in range(snapshots)} | {iterations})
    )
    return Plan(tuple(phases), due)


def between_snapshots(iterations: int, snapshots: int) -> int:
    """Return after how many iterations a minimizer begins anew that has to now and then."""
    return max(1, iterations // snapshots)


def _sizes(size: tuple[int, int], scales: int | Literal["auto"]) -> Iterator[tuple[int, int]]:
    """Yield the sizes from coarse to fine, each half of the next."""
    width, height = size
    if scales == "auto":
        scales = 1
        while min(size) / 2**scales >= COARSEST_SIDE:
            scales += 1
    for level in reversed(range(scales)):
        coarse = round(width / 2**level), round(height / 2**level)
        if level == 0 or min(coarse) >= LEAST_SIDE:
            yield coarse


def _shares(iterations: int, scales: int) -> list[int]:
    """Split the iterations: the finest scale gets its share, the coarser ones the rest evenly."""
    if scales == 1:
        return [iterations]
    finest = max(1, min(round(iterations * FINEST_SHARE), iterations - (scales - 1)))
    coarser = [
        (iterations - finest) * (i + 1) // (scales - 1) - (iterations - finest) * i // (scales - 1)
        for i in range(scales - 1)
    ]
    return [*coarser, finest]
