"""How long renders will take, foretold once for each, before any worker has seen it.

It is the planner's forecast from the pictures' headers and this machine's figures: no framework is
loaded and no picture decoded for it. A render under way knows better, and its worker's word counts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from atelierd.errors import AtelierError
from atelierd.images import ACCEPTED_LIMITS, ImageLimits, fit_size, probe
from atelierd.jobs.frozen import FrozenImage, FrozenRender, input_path
from atelierd.ledger import Ledger
from atelierd.ledger.rows import RenderRow
from atelierd.render.memory import MachineMemory
from atelierd.render.plan import make_plan
from atelierd.render.planner import Planner
from atelierd.render.planning import demand_of, model_of
from atelierd.settings import Settings

logger = logging.getLogger(__name__)

#: Renders that are looked at in one go, and seconds that a turn may spend on them.
AT_ONCE, BOX = 50, 0.1
#: Forecasts that are remembered, for a matrix has many renders of one kind.
_REMEMBERED = 1_000


class Foreteller:
    """Foretells what nobody has foretold yet, a little at each turn."""

    def __init__(
        self,
        ledger: Ledger,
        state: Path,
        limits: ImageLimits,
        *,
        device: str,
        threads: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`device` and `threads` are what the configuration says; `clock` gives seconds."""
        self._ledger = ledger
        self._state = state
        self._limits = limits
        # Which one `auto` comes to, and what a GPU is called, only PyTorch knows.
        self._device = "cpu" if device == "cpu" else None
        self._threads = threads
        self._clock = clock
        self._sizes: dict[str, tuple[int, int]] = {}
        self._known: dict[object, float] = {}

    @classmethod
    def of(cls, settings: Settings, ledger: Ledger) -> Foreteller:
        """Return the one for the daemon that is so configured."""
        return cls(
            ledger,
            settings.state,
            ACCEPTED_LIMITS,
            device=settings.work.device[0],
            threads=settings.work.threads,
        )

    def turn(self) -> None:
        """Foretell some renders. Raises WorldFault if the ledger cannot be written."""
        until = self._clock() + BOX
        found: dict[str, float] = {}
        for row in self._ledger.not_foretold(AT_ONCE):
            found[row.id] = self._seconds(row)
            if self._clock() > until:
                break
        if found:
            self._ledger.foretell(found)

    def _seconds(self, row: RenderRow) -> float:
        """Return the seconds of one render; 0 for one that will fail as soon as it is begun."""
        try:
            frozen = FrozenRender.model_validate_json(row.spec)
            pictures = tuple(self._size(image) for image in (frozen.content, *frozen.styles))
            kind = (frozen.settings, pictures)
            if kind not in self._known:
                if len(self._known) > _REMEMBERED:
                    self._known.clear()
                self._known[kind] = self._forecast(frozen, pictures)
            return self._known[kind]
        except (AtelierError, OSError, ValueError) as error:
            logger.debug("%s cannot be foretold: %s", row.id, error)
            return 0.0

    def _forecast(self, frozen: FrozenRender, pictures: tuple[tuple[int, int], ...]) -> float:
        settings = frozen.settings
        model, _ = model_of(
            self._state,
            settings,
            version=version("torch"),
            device=self._device,
            threads=self._threads,
        )
        precision = model.fast_precision if settings.precision == "auto" else settings.precision
        size = fit_size(*pictures[0], settings.size, settings.crop)
        plan = make_plan(size, settings.iterations, settings.snapshots, settings.scales, precision)
        decoded = sum(3 * width * height for width, height in pictures)
        planner = Planner(model, demand_of(settings, len(frozen.styles), decoded))
        fitting = planner.within(plan, MachineMemory().available())
        return (fitting or planner.smallest(plan)).seconds

    def _size(self, image: FrozenImage) -> tuple[int, int]:
        """Return (width, height) of a frozen picture, as its header says."""
        if image.sha256 not in self._sizes:
            if len(self._sizes) > _REMEMBERED:
                self._sizes.clear()
            with input_path(self._state, image.sha256).open("rb") as file:
                info = probe(file, image.path, self._limits)
            self._sizes[image.sha256] = (info.width, info.height)
        return self._sizes[image.sha256]
