"""Which worker a render can go to: what it needs there, against what a worker has.

Everything here is a pure function. Where several workers can do a render, whoever is asked first
gets it: the fleet names the fast ones first, so they get the most urgent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atelierd.engines.base import Precision
from atelierd.errors import JobFault
from atelierd.jobs.resolved import RenderSettings
from atelierd.render.machine import MachineModel
from atelierd.render.plan import make_plan
from atelierd.render.planner import Planner
from atelierd.render.planning import demand_of
from atelierd.render.shipped import SHIPPED, SHIPPED_CNTK

#: Share of a worker's memory that a render may be foretold to take.
FITS = 0.9


@dataclass(frozen=True)
class Means:
    """What a worker has."""

    memory: int
    """Bytes that a render may take there."""
    precision: Precision
    """What `auto` comes to there."""
    engines: tuple[str, ...]
    figures: MachineModel | None
    """None: not measured."""

    @property
    def seconds_per_pixel(self) -> float:
        """Of an evaluation, in the precision that it is fast in; infinite where unmeasured."""
        if self.figures is None:
            return float("inf")
        return min(one.seconds_per_pixel for one in self.figures.costs_in(self.precision).values())


@dataclass(frozen=True)
class Need:
    """What a render is, as far as it matters who does it."""

    settings: RenderSettings
    size: tuple[int, int]
    """(width, height) of the result."""
    styles: int
    picture_bytes: int
    """Of the decoded pictures."""

    def bytes_at(self, means: Means) -> int:
        """Return the least memory that it takes there; 0 where the worker is to say what is wrong.

        Raises nothing: a size that no network takes fails the job wherever it goes.
        """
        settings = self.settings
        precision = means.precision if settings.precision == "auto" else settings.precision
        model = SHIPPED_CNTK if settings.engine == "cntk" else means.figures or SHIPPED
        try:
            plan = make_plan(
                self.size, settings.iterations, settings.snapshots, settings.scales, precision
            )
        except JobFault:
            return 0
        demand = demand_of(settings, self.styles, self.picture_bytes)
        return Planner(model, demand).smallest(plan).bytes


def suits(
    means: Means, need: Need, begun_in: Precision | None, others: Iterable[Means] = ()
) -> bool:
    """Whether a worker can do a render.

    One that was begun in the precision that `auto` came to, `begun_in`, would begin anew in
    another one: it waits for a worker of its kind, if there is one among `others` that it fits.
    """
    if need.settings.engine not in means.engines or need.bytes_at(means) > FITS * means.memory:
        return False
    if need.settings.precision != "auto" or begun_in in (None, means.precision):
        return True
    return not any(suits(other, need, None) for other in others if other.precision == begun_in)
