"""What a daemon throws away: what kills left behind, and what nobody needs any more (rule 23).

It is done in small steps, a few at each turn, so that a slow share with thousands of folders does
not keep the device waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from atelierd.allocator import give_back_freed_memory
from atelierd.dispatch.leftovers import sweep_work
from atelierd.durable import remove_temporary
from atelierd.errors import WorldFault
from atelierd.inbox.inputs import sweep_inputs, sweep_job_files
from atelierd.ledger.reader import LedgerReader
from atelierd.outbox.cleaning import clean_in_steps
from atelierd.outbox.retention import Retention

logger = logging.getLogger(__name__)

#: Age at which temporary files that a kill left behind are removed.
TEMPORARY_AGE = timedelta(days=1)
#: Time from the end of one round to the next.
EVERY, EVERY_WHEN_SPACE_IS_KEPT = timedelta(hours=1), timedelta(minutes=5)
#: From one time that freed memory is given back to the next: it takes a few milliseconds.
GIVE_BACK_EVERY = timedelta(minutes=1)
#: Of one turn.
BOX = timedelta(milliseconds=100)
#: Folders below the state folder in which files are written; the others look after themselves.
_STATE_FOLDERS = ("inputs", "jobs/*", "renders/*", "renders/*/*", "seals")


@dataclass
class Housekeeping:
    """Rounds through state folder, outbox and inbox."""

    inbox: Path
    outbox: Path
    state: Path
    keep_inputs: timedelta
    ledger: LedgerReader
    retention: Retention
    clock: Callable[[], float] = time.monotonic
    _round: Iterator[None] | None = None
    _next: float = float("-inf")
    _give_back_at: float = float("-inf")

    def turn(self, wall: datetime) -> None:
        """Go on with a round, or begin one if it is time; `wall` is an aware time. Raises nothing.

        What fails is tried again in the next round.
        """
        now = self.clock()
        if now >= self._give_back_at:
            give_back_freed_memory()
            self._give_back_at = now + GIVE_BACK_EVERY.total_seconds()
        if self._round is None:
            if now < self._next:
                return
            self._round = self._steps(wall)
        try:
            while self.clock() < now + BOX.total_seconds():
                next(self._round)
        except StopIteration:
            self._end(now)
        except (WorldFault, OSError) as error:
            logger.warning("housekeeping is put off: %s", error)
            self._end(now)

    def _end(self, now: float) -> None:
        self._round = None
        every = EVERY_WHEN_SPACE_IS_KEPT if self.retention.settings.keep_free else EVERY
        self._next = now + every.total_seconds()

    def _steps(self, wall: datetime) -> Iterator[None]:
        before = (wall - TEMPORARY_AGE).timestamp()
        remove_temporary(self.state, before)
        for pattern in _STATE_FOLDERS:
            for folder in self.state.glob(pattern):
                remove_temporary(folder, before)
                yield
        keep = self.retention.keep_inputs(self.keep_inputs)
        sweep_inputs(self.state, self.ledger, wall, keep)
        yield
        for _ in sweep_job_files(self.state, self.ledger, wall - keep):
            yield
        for _ in sweep_work(self.state, self.ledger, wall - keep):
            yield
        for root in (self.outbox, self.inbox):
            for _ in clean_in_steps(root, TEMPORARY_AGE):
                yield
        yield from self.retention.steps(wall)
