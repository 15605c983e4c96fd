"""Weekly hours and what follows from them: open or not, until when, how much, done when (rule 22).

Everything here is a pure function of the moment, the hours and the time zone: nothing is kept from
one question to the next, so a restart changes no answer. Moments are aware datetimes; those that
are returned are in UTC.

Hours are what a clock on the wall shows. Where clocks are set forward over a time, that time is
the moment of the change; where they are set back, it is the first of the two. Hours that begin on
one day and end on the next belong to the day on which they begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from typing import NamedTuple

_DAY = timedelta(days=1)
#: How far ahead is looked for the next opening.
HORIZON = timedelta(days=366)
#: The end of a span that has none.
FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Hours:
    """The same hours on some days of each week."""

    days: frozenset[int]
    """The days on which they begin, 0 for Monday."""
    begins: timedelta
    """What the clock shows then, from midnight: less than 24 h."""
    ends: timedelta
    """The same for the end, from the midnight before the beginning: up to 24 h after it."""


WHOLE_WEEK = Hours(frozenset(range(7)), timedelta(0), _DAY)


class Span(NamedTuple):
    """A stretch of time without its last moment."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Schedule:
    """Hours in a time zone; open while any of them is."""

    hours: tuple[Hours, ...] = (WHOLE_WEEK,)
    zone: tzinfo | None = None
    """None for this machine's own."""
    inside: Schedule | None = None
    """Open only while this one is open, too."""

    @cached_property
    def is_always(self) -> bool:
        """Whether it never closes."""
        own = _cover_week(self.hours)
        return own and (self.inside is None or self.inside.is_always)

    def is_open(self, now: datetime) -> bool:
        """Whether it is open at `now`."""
        return any(span.begins <= now for span in self._first(now))

    def opens(self, now: datetime) -> datetime | None:
        """Return when it is open next: `now` if it is; None if it is not within a year."""
        return next((span.begins for span in self._first(now)), None)

    def closes(self, now: datetime) -> datetime | None:
        """Return when it closes that is open at `now`; None if it is not, or stays so for ever."""
        for span in self._first(now):
            if span.begins <= now and span.ends != FOREVER:
                return span.ends
        return None

    def open_time(self, since: datetime, until: datetime) -> timedelta:
        """Return how long it is open between two moments."""
        spans = self.spans(since, until)
        return sum((min(ends, until) - begins for begins, ends in spans), timedelta(0))

    def done(self, now: datetime, work: timedelta) -> datetime | None:
        """Return when so much work is done that is gone on with whenever it is open.

        None if that takes more than a year.
        """
        if work <= timedelta(0):
            return now.astimezone(UTC)
        for begins, ends in self.spans(now):
            if work <= ends - begins:
                return begins + work if work <= HORIZON else None
            work -= ends - begins
        return None

    def spans(self, since: datetime, until: datetime | None = None) -> Iterator[Span]:
        """Yield when it is open from `since` on, in order, and no two that touch.

        The last ones end at `until`, a year later where nothing is said.
        """
        since = since.astimezone(UTC)
        until = since + HORIZON if until is None else until.astimezone(UTC)
        if self.is_always:
            yield from [Span(since, FOREVER)] if since < until else []
            return
        own: Iterator[Span] = iter([Span(since, until)])
        if not _cover_week(self.hours):
            own = _clipped(_merged(self._daily(since, until)), since, until)
        yield from own if self.inside is None else _common(own, self.inside.spans(since, until))

    def _first(self, now: datetime) -> list[Span]:
        """Return the first span from `now` on, if there is one."""
        return [span for _, span in zip(range(1), self.spans(now), strict=False)]

    def _daily(self, since: datetime, until: datetime) -> Iterator[Span]:
        """Yield the spans of each day, by their beginnings."""
        # Hours last a day at most; a clock that jumps over the date line skips another.
        day = clock_of(since, self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        day -= 2 * _DAY
        while moment_of(day, self.zone) < until:
            found = (
                Span(
                    moment_of(day + one.begins, self.zone),
                    moment_of(day + one.ends, self.zone),
                )
                for one in self.hours
                if day.weekday() in one.days
            )
            yield from sorted(found)
            day += _DAY


ALWAYS = Schedule()


def clock_of(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return what the clock shows at a moment, without a zone."""
    return moment.astimezone(zone).replace(tzinfo=None)


def moment_of(clock: datetime, zone: tzinfo | None) -> datetime:
    """Return the first moment, in UTC, at which the clock shows `clock` or has just skipped it."""
    first = _utc(clock.replace(fold=0), zone)
    if clock_of(first, zone).replace(fold=0) == clock.replace(fold=0):
        return first
    # Skipped: both readings lie around the change, a whole number of seconds from it.
    early, late = sorted((first, _utc(clock.replace(fold=1), zone)))
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if clock_of(middle, zone) < clock:
            early = middle
        else:
            late = middle
    return late


def _utc(clock: datetime, zone: tzinfo | None) -> datetime:
    return (clock if zone is None else clock.replace(tzinfo=zone)).astimezone(UTC)


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Join spans that touch or overlap; they come by their beginnings."""
    last: Span | None = None
    for span in spans:
        if span.ends <= span.begins:
            continue  # the clock skipped all of it
        if last is not None and span.begins <= last.ends:
            last = Span(last.begins, max(last.ends, span.ends))
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last


def _clipped(spans: Iterable[Span], since: datetime, until: datetime) -> Iterator[Span]:
    for begins, ends in spans:
        if begins >= until:
            return
        if ends > since:
            yield Span(max(begins, since), min(ends, until))


def _common(some: Iterator[Span], others: Iterator[Span]) -> Iterator[Span]:
    """Yield what two rows of spans have in common."""
    one, other = next(some, None), next(others, None)
    while one is not None and other is not None:
        begins, ends = max(one.begins, other.begins), min(one.ends, other.ends)
        if begins < ends:
            yield Span(begins, ends)
        if one.ends <= other.ends:
            one = next(some, None)
        else:
            other = next(others, None)


def _cover_week(hours: Iterable[Hours]) -> bool:
    """Whether some hours leave nothing of a week out."""
    week = 7 * _DAY
    pieces = []
    for one in hours:
        for day in one.days:
            begins, ends = day * _DAY + one.begins, day * _DAY + one.ends
            pieces += [(begins, ends), (begins - week, ends - week)]
    reached = timedelta(0)
    for begins, ends in sorted(pieces):
        if begins > reached:
            return False
        reached = max(reached, ends)
    return reached >= week
