"""Outside the daemon's hours the devices are their owners': workers end, their memory is free."""

from __future__ import annotations

from datetime import timedelta

from atelierd.dispatch.bookkeeping import Bookkeeper
from atelierd.dispatch.lane import Lane
from atelierd.dispatch.outcomes import outcome_of
from atelierd.dispatch.rota import Rota
from atelierd.dispatch.running import DispatchPlan
from atelierd.errors import WorldFault
from atelierd.ledger.rows import RenderRow
from atelierd.render.segment import SegmentReport

#: For a shorter time without hours it is not worth while to load everything anew.
RELEASED_FOR = timedelta(minutes=5)


class Releasing:
    """Lets workers end that have nothing to do for long, when what they hold is on the disk."""

    def __init__(self, plan: DispatchPlan, books: Bookkeeper, rota: Rota) -> None:
        self._plan = plan
        self._books = books
        self._rota = rota

    def is_saving(self, lane: Lane) -> bool:
        """Whether a checkpoint is still to be written before the device is released."""
        unsaved = lane.saving is not None or self._unsaved(lane) is not None
        return unsaved and self._is_due(lane)

    def turn(self, lane: Lane) -> bool:
        """Release the device of a lane, if it is time for it; this never waits for a checkpoint.

        Return whether one has been written. Raises WorldFault if it could not be; it is tried
        again.
        """
        if not self._is_due(lane):
            return False
        if lane.saving is None:
            unsaved = self._unsaved(lane)
            if unsaved is None:
                lane.rest()
            else:
                lane.saving = lane.save(unsaved)
        elif lane.saving.done():
            outcome = outcome_of(lane.saving, self._plan.state)
            lane.saving = None
            if isinstance(outcome, WorldFault):
                raise outcome
            if isinstance(outcome, SegmentReport):
                lane.rest()
                return True
            lane.replace_worker(str(outcome))
        return False

    def _is_due(self, lane: Lane) -> bool:
        is_idle = lane.running is None and lane.worker.is_up
        return is_idle and self._rota.is_closed_for(RELEASED_FOR)

    def _unsaved(self, lane: Lane) -> RenderRow | None:
        """Return the render that a worker may hold in memory alone, and that is to go on."""
        unsaved = lane.unsaved
        return unsaved if unsaved is not None and self._books.may_go_on(unsaved) else None
