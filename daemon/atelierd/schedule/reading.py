"""Hours and moments as people write them: `mon-fri 22:00-06:00`, `2026-11-27 06:00`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from atelierd.schedule.windows import Hours, moment_of
from atelierd.wording import shown

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_NUMBERS = {name: number for names in (DAYS, _FULL) for number, name in enumerate(names)}
_DAY = timedelta(days=1)

HOURS_EXAMPLES = "days and hours such as `22:00-06:00`, `mon-fri 20:00-08:00` or `sat sun`"
MOMENT_EXAMPLES = "a time such as `22:00`, a date such as `2026-11-27`, or both: `2026-11-27 06:00`"

_HOURS = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?( ?(Z|[+-][0-9]{2}:[0-9]{2}))?)?"
)


def read_hours(text: str) -> Hours:
    """Return the weekly hours that `text` names. Raises ValueError, in words.

    Days (each one or from-to; every day where there is none), then hours (the whole day where
    there are none). An end that is not later than the beginning is on the next day.
    """
    words = re.sub(r"\s*[-\u2010-\u2015]\s*", "-", text.strip().lower()).replace(",", " ").split()
    hours = [word for word in words if word[0].isdigit()]
    names = [word for word in words if not word[0].isdigit()]
    if not words or len(hours) > 1 or (hours and words[-1] != hours[0]):
        raise ValueError(f"found '{shown(text, 60)}'; expected {HOURS_EXAMPLES}")
    days = frozenset(day for name in names for day in _days(name, text)) or frozenset(range(7))
    begins, ends = _begin_and_end(hours[0], text) if hours else (timedelta(0), _DAY)
    return Hours(days, begins, ends)


def _days(name: str, text: str) -> list[int]:
    first, dash, last = name.partition("-")
    if first not in _DAY_NUMBERS or (dash and last not in _DAY_NUMBERS):
        unknown = last if first in _DAY_NUMBERS else first
        raise ValueError(
            f"found '{shown(text, 60)}', where '{shown(unknown, 30)}' is no day; expected "
            f"{HOURS_EXAMPLES}; the days are {', '.join(DAYS)}"
        )
    start = _DAY_NUMBERS[first]
    number = (_DAY_NUMBERS[last] - start) % 7 + 1 if dash else 1
    return [(start + offset) % 7 for offset in range(number)]


def _begin_and_end(hours: str, text: str) -> tuple[timedelta, timedelta]:
    match = _HOURS.fullmatch(hours)
    if match is None:
        raise ValueError(f"found '{shown(text, 60)}'; expected {HOURS_EXAMPLES}")
    begins, ends = _clock(match[1], match[2]), _clock(match[3], match[4])
    if begins is None or begins == _DAY or ends is None:
        wrong = hours.partition("-")[2 if begins is not None and begins < _DAY else 0]
        raise ValueError(
            f"found '{shown(text, 60)}', where {wrong} is no time of day; expected 00:00 to 23:59, "
            "or 24:00 as an end"
        )
    if begins == ends:
        raise ValueError(
            f"found '{shown(text, 60)}', which ends when it begins; leave the hours out for whole "
            "days"
        )
    return begins, ends if ends > begins else ends + _DAY


def _clock(hour: str, minute: str) -> timedelta | None:
    """Return what a clock shows as the time since midnight; None for what none shows."""
    clock = timedelta(hours=int(hour), minutes=int(minute))
    return clock if int(minute) < 60 and clock <= _DAY else None


def check_moment(text: str) -> str:
    """Return `text` if it is a time of day, a date, or both. Raises ValueError, in words."""
    if not _TIME.fullmatch(text):
        _date_time(text)
    return text


def read_moment(text: str, after: datetime, zone: tzinfo | None, *, day_ends: bool) -> datetime:
    """Return the moment, in UTC, that `text` names; a time of day is the next one after `after`.

    A date alone is the beginning of that day, or with `day_ends` its end. `zone` is the one of the
    clock where the text names none; None for this machine's own. Raises ValueError, in words.
    """
    match = _TIME.fullmatch(text)
    if match:
        clock = timedelta(hours=int(match[1]), minutes=int(match[2]))
        today = datetime.combine(after.astimezone(zone).date(), datetime.min.time())
        moments = (moment_of(today + days * _DAY + clock, zone) for days in range(3))
        return next(moment for moment in moments if moment > after)
    read = _date_time(text)
    if read.tzinfo is not None:
        return read.astimezone(UTC)
    return moment_of(read + _DAY if day_ends and len(text) == len("2026-11-27") else read, zone)


def _date_time(text: str) -> datetime:
    if _MOMENT.fullmatch(text):
        try:
            read = datetime.fromisoformat(re.sub(r" (?=[Z+-])", "", text))
        except ValueError:
            raise ValueError(f"found '{text}'; there is no such day or time") from None
        if 1971 <= read.year <= 9000:
            return read
    raise ValueError(f"found '{shown(text, 60)}'; expected {MOMENT_EXAMPLES}")
