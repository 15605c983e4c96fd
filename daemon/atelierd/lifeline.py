"""What a service manager hears of the daemon's health: that it is up, and that it still lives.

Up is a daemon whose share answers and whose engine has computed something. It lives while its loop
turns, the inbox is looked at when it is to be, and no worker is silent for longer than is allowed:
the dispatcher replaces such a worker, so one that is still there says that the dispatcher fails. A
daemon that has nothing to do, or waits for the share, lives as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import timedelta

from atelierd import systemd
from atelierd.errors import NodeFault

logger = logging.getLogger(__name__)

#: How much more time is asked for while the share is away at the start, and how often.
MORE_TIME = timedelta(minutes=1)
_ASKED_EVERY = 5.0
#: Seconds that a scan or a worker's replacement may be late before something is wrong.
GRACE = 60.0
#: Signs of life in one period of the watchdog.
_SIGNS = 4


@dataclass(frozen=True)
class Pulse:
    """What there is to see of the daemon at the end of a turn; times by the monotonic clock."""

    now: float
    """When the turn began: what was due then has had its chance, however long the turn took."""
    next_scan: float
    """When the inbox is to be looked at next."""
    share_fault: str | None
    """Why inbox, outbox or ledger cannot be used, in words; None if they can."""
    waits: bool
    """Whether something outside the daemon keeps it from working."""
    deadlines: tuple[float, ...] = ()
    """When each busy worker is taken to hang."""


def fault_of(pulse: Pulse) -> str | None:
    """Return what is wrong with the daemon itself, in words; None if it lives."""
    if pulse.waits:
        return None
    if pulse.now > pulse.next_scan + GRACE:
        return "the inbox is not looked at"
    if any(pulse.now > deadline + GRACE for deadline in pulse.deadlines):
        return "a worker that hangs is not replaced"
    return None


class Lifeline:
    """Tells the service manager, if there is one."""

    def __init__(
        self,
        engines: Sequence[Future[str]] = (),
        notify: Callable[..., None] = systemd.notify,
        period: timedelta | None = None,
    ) -> None:
        """Wait for `engines` to have computed; `period` is the watchdog's."""
        self._engines = list(engines)
        self._notify = notify
        self._period = period
        self._is_up = False
        self._asked_at = self._signed_at = float("-inf")
        self._fault: str | None = None

    @property
    def is_up(self) -> bool:
        """Whether the service manager was told that the daemon is up."""
        return self._is_up

    def turned(self, pulse: Pulse) -> None:
        """Say what a turn of the loop shows.

        Raises what an engine that does not compute has raised; NodeFault if its process died.
        """
        if not self._is_up:
            self._try_to_be_up(pulse)
        if self._is_up:
            self._sign(pulse)

    def ends(self) -> None:
        """Say before the end of a drain that it was up: it may have had nothing to do."""
        if not self._is_up:
            self._is_up = True
            self._notify(ready=True)

    def _try_to_be_up(self, pulse: Pulse) -> None:
        while self._engines and self._engines[0].done():
            try:
                logger.info("%s", self._engines[0].result())
            except BrokenProcessPool as error:
                raise NodeFault("the worker process died while it loaded PyTorch") from error
            del self._engines[0]
        if pulse.share_fault is not None:
            if pulse.now >= self._asked_at + _ASKED_EVERY:
                self._asked_at = pulse.now
                self._notify(more_time=MORE_TIME)
        elif not self._engines:
            self._is_up = True
            self._notify(ready=True)

    def _sign(self, pulse: Pulse) -> None:
        fault = fault_of(pulse)
        if fault is not None and fault != self._fault:
            logger.error("no sign of life for the service manager: %s", fault)
        self._fault = fault
        if fault is not None or self._period is None:
            return
        if pulse.now >= self._signed_at + self._period.total_seconds() / _SIGNS:
            self._signed_at = pulse.now
            self._notify(alive=True)
