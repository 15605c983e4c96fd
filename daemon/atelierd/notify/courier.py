"""Bringing notices to one receiver, in their order, until it has them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from atelierd.errors import AtelierError
from atelierd.ledger.notices import Notice, NoticeBox
from atelierd.notify.receiver import Receiver, RefusedError
from atelierd.wording import shown

logger = logging.getLogger(__name__)

#: From a failure to the next try: doubled each time, up to the second one.
FIRST_PAUSE, LAST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)
#: How often a courier that has nothing to bring looks for something.
LOOK_EVERY = timedelta(seconds=1)


def pause_after(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row, 1 or more."""
    # The exponent is bounded: after a month of failures it would be beyond all numbers.
    return min(LAST_PAUSE, FIRST_PAUSE * (1 << min(failures - 1, 20)))


class Courier:
    """One receiver's courier; `turn` is what its thread does over and over."""

    def __init__(
        self,
        receiver: Receiver,
        box: NoticeBox,
        give_up_after: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Make the courier of a receiver; `box` is the courier's own."""
        self._receiver = receiver
        self._box = box
        self._give_up_after = give_up_after
        self._clock = clock
        self._through: int | None = None
        self._failures = 0
        self._told = ""

    def turn(self) -> timedelta:
        """Bring the next notice, if there is one; return how long to rest after that."""
        try:
            notice = self._next()
            if notice is None:
                return LOOK_EVERY
            if notice.event not in self._receiver.events:
                self._pass(notice)
                return timedelta(0)
            if self._clock() - notice.happened_at > self._give_up_after:
                self._drop(notice, "it is too old by now")
            else:
                self._bring(notice)
        except AtelierError as error:
            return self._put_off(str(error))
        except Exception as error:
            # A receiver is a stranger: none of its surprises may end the thread.
            if type(error).__name__ != self._told:
                logger.exception("a notice for %s", self._receiver.label)
            return self._put_off(type(error).__name__)
        self._recover()
        return timedelta(0)

    def _next(self) -> Notice | None:
        if self._through is None:
            self._through = self._box.join(self._receiver.name)
        notice = self._box.next(self._through)
        if notice is not None and notice.id > self._through + 1:
            logger.warning(
                "%s has missed %d notices: there was no room to keep more",
                self._receiver.label,
                notice.id - self._through - 1,
            )
            self._through = notice.id - 1
        return notice

    def _bring(self, notice: Notice) -> None:
        try:
            self._receiver.send(notice)
        except RefusedError as error:
            self._drop(notice, str(error))
        else:
            self._pass(notice)

    def _drop(self, notice: Notice, why: str) -> None:
        logger.warning(
            "the notice %s (%s) is not brought to %s: %s",
            notice.uid,
            notice.event.value,
            self._receiver.label,
            shown(why, 300),
        )
        self._pass(notice)

    def _pass(self, notice: Notice) -> None:
        # Even where the ledger's disk is full, nothing is brought twice by this process.
        self._through = notice.id
        self._box.passed(self._receiver.name, notice.id)

    def _put_off(self, why: str) -> timedelta:
        self._failures += 1
        pause = pause_after(self._failures)
        if why != self._told:
            self._told = why
            logger.warning(
                "%s cannot be told now: %s; trying again", self._receiver.label, shown(why, 300)
            )
        return pause

    def _recover(self) -> None:
        if self._failures:
            logger.info("%s is told again", self._receiver.label)
        self._failures, self._told = 0, ""


class CourierThread:
    """Runs a courier beside everything else."""

    def __init__(self, courier: Courier, box: NoticeBox, name: str) -> None:
        """`box` is closed when the courier has ended."""
        self._courier = courier
        self._box = box
        self._closing = threading.Event()
        self._is_left = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to bring."""
        self._thread.start()

    def close(self) -> None:
        """Bring what is there as long as the receiver takes it, then end."""
        self._closing.set()

    def join(self, seconds: float) -> bool:
        """Wait for its end; return whether it has ended. The process may end without it.

        One that has not brings nothing more than what is on its way: the rest is its successor's.
        """
        self._thread.join(seconds)
        self._is_left = self._thread.is_alive()
        return not self._is_left

    def _run(self) -> None:
        while True:
            closing = self._closing.is_set()
            rest = self._courier.turn()
            if (rest and closing) or self._is_left:
                break
            self._closing.wait(rest.total_seconds())
        self._box.close()
