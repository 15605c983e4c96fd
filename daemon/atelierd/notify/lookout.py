"""Seeing what no single job tells: the queue has run empty, the share is gone, it is back.

What was told last is noted in the ledger together with the notice, so that a restart neither
tells it again nor forgets to tell the rest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from atelierd.errors import AtelierError
from atelierd.events import Event
from atelierd.ledger.notices import FILLED, NoticeBox

logger = logging.getLogger(__name__)

#: How often is looked.
LOOK_EVERY = timedelta(seconds=1)
#: How long a good state has to last before it is told: jobs dropped one after the other are one
#: batch, and a share that comes and goes is not back.
QUIET = timedelta(seconds=5)

#: Mark in the ledger: since when the share has been gone, as far as is told.
_GONE = "share gone since"


@dataclass(frozen=True)
class Since:
    """A state, and the monotonic seconds at which it began."""

    value: bool
    at: float

    def now(self, value: bool, now: float) -> Since:
        """Return the state after a look at `now`."""
        return self if value == self.value else Since(value, now)

    def lasts(self, value: bool, length: timedelta, now: float) -> bool:
        """Whether it is `value`, and has been for `length`."""
        return self.value == value and now - self.at >= length.total_seconds()


class Lookout:
    """Looks at the ledger and at what the daemon says is in its way."""

    def __init__(
        self,
        box: NoticeBox,
        offline_after: timedelta,
        monotonic: Callable[[], float],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`monotonic` gives seconds, `clock` the present time as an aware datetime."""
        self._box = box
        self._offline_after = offline_after
        self._monotonic = monotonic
        self._clock = clock
        self._trouble: tuple[str, ...] = ()
        self._troubled = Since(False, monotonic())
        self._empty = Since(False, monotonic())

    def see(self, trouble: Sequence[str]) -> None:
        """Take note of what is in the daemon's way now; from any thread, at no cost."""
        self._trouble = tuple(trouble)

    def look(self, *, last: bool = False) -> None:
        """Record what is to be told; at the `last` look nothing is waited for.

        Raises WorldFault if the ledger's disk fails; then the next look records it.
        """
        self._look_at_share(last=last)
        self._look_at_queue(last=last)

    def _look_at_share(self, *, last: bool) -> None:
        trouble, now = self._trouble, self._monotonic()
        self._troubled = self._troubled.now(bool(trouble), now)
        changed_at = self._clock() - timedelta(seconds=now - self._troubled.at)
        gone_since = self._box.mark(_GONE)
        nothing = timedelta(0)
        if gone_since is None:
            if self._troubled.lasts(True, nothing if last else self._offline_after, now):
                since = _text(changed_at)
                self._box.happened(
                    Event.OFFLINE, {"since": since, "trouble": list(trouble)}, {_GONE: since}
                )
        elif self._troubled.lasts(False, nothing if last else QUIET, now):
            away = changed_at - datetime.fromisoformat(gone_since)
            self._box.happened(
                Event.BACK,
                {"since": gone_since, "seconds": max(0, round(away.total_seconds()))},
                {_GONE: None},
            )

    def _look_at_queue(self, *, last: bool) -> None:
        now = self._monotonic()
        filled_since = self._box.mark(FILLED)
        self._empty = self._empty.now(not self._box.unfinished(), now)
        if filled_since is not None and self._empty.lasts(
            True, timedelta(0) if last else QUIET, now
        ):
            since = datetime.fromisoformat(filled_since)
            facts = {"since": _text(since), "jobs": dict(self._box.finished_since(since))}
            self._box.happened(Event.EMPTY, facts, {FILLED: None})


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


class LookoutThread:
    """Looks beside everything else."""

    def __init__(self, lookout: Lookout, box: NoticeBox) -> None:
        """`box` is closed when the thread has ended."""
        self._lookout = lookout
        self._box = box
        self._fault = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self, *, last: bool, seconds: float) -> None:
        """Look a `last` time, if that is asked for, and end."""
        self._ended.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            return
        if last:
            self._look(last=True)
        self._box.close()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY.total_seconds()):
            self._look()

    def _look(self, *, last: bool = False) -> None:
        try:
            self._lookout.look(last=last)
        except AtelierError as error:
            if str(error) != self._fault:
                logger.warning("what happens cannot be noted: %s", error)
            self._fault = str(error)
        else:
            self._fault = ""
