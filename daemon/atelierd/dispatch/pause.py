"""Waiting for the world to mend: pauses that grow while the trouble lasts."""

from __future__ import annotations

#: Seconds from a fault of the world to the next look: doubled each time, up to the second one.
FIRST_RETRY, LAST_RETRY = 1.0, 60.0


class Pause:
    """A pause of the whole queue, or of one job; times are monotonic, in seconds."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why, in words; None where there is none."""
        self._begun = self._until = float("-inf")
        self._next = FIRST_RETRY

    def begin(self, reason: str, now: float) -> bool:
        """Begin, or go on for twice as long; return whether the reason is another than before."""
        if self.reason is None:
            self._next = FIRST_RETRY
        is_new = reason != self.reason
        self.reason = reason
        self._begun = now
        self._until = now + self._next
        self._next = min(2 * self._next, LAST_RETRY)
        return is_new

    def lasts(self, now: float, at_least: float = 0.0) -> bool:
        """Whether it is too early to try again, or less than `at_least` after the last time."""
        return self.reason is not None and now < max(self._until, self._begun + at_least)

    def end(self) -> bool:
        """End it, for what failed has succeeded; return whether there was one."""
        was_paused = self.reason is not None
        self.reason = None
        return was_paused
