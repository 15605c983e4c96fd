"""The daemon's windows, and what they and a job's own wishes come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from types import MappingProxyType

from atelierd.schedule.reading import HOURS_EXAMPLES, read_hours
from atelierd.schedule.windows import Hours, Schedule
from atelierd.wording import shown

_NONE: Mapping[str, tuple[Hours, ...]] = MappingProxyType({})


@dataclass(frozen=True)
class Wishes:
    """When a job is to be worked on."""

    not_before: datetime | None = None
    window: str = ""
    """The name of a window, or hours; empty where any of the daemon's will do."""
    deadline: datetime | None = None
    """By when it is wanted."""


NO_WISHES = Wishes()


@dataclass(frozen=True)
class Timetable:
    """When the daemon works: all windows together, or always where there are none."""

    windows: Mapping[str, tuple[Hours, ...]] = field(default_factory=lambda: _NONE)
    zone: tzinfo | None = None
    """None for this machine's own."""

    @property
    def whole(self) -> Schedule:
        """When anything is worked on at all."""
        hours = tuple(one for window in self.windows.values() for one in window)
        return Schedule(hours, self.zone) if hours else Schedule(zone=self.zone)

    def asked(self, window: str) -> Schedule:
        """Return when a job is worked on that asks for `window`: a name, hours, or nothing.

        Its own hours count inside the daemon's. Raises ValueError, in words, if there is no such
        window.
        """
        if not window:
            return self.whole
        if window in self.windows:
            return Schedule(self.windows[window], self.zone)
        try:
            hours = read_hours(window)
        except ValueError:
            names = ", ".join(self.windows)
            known = f"one of the daemon's windows ({names}), or " if names else ""
            none = "" if names else "; the daemon has no named windows"
            raise ValueError(
                f"found '{shown(window, 60)}'; expected {known}{HOURS_EXAMPLES}{none}"
            ) from None
        whole = self.whole
        inside = None if whole.is_always else whole
        return Schedule((hours,), self.zone, inside)

    def of(self, window: str) -> Schedule:
        """Return the same for a job that was accepted: what is no more is not waited for."""
        try:
            return self.asked(window)
        except ValueError:
            return self.whole
