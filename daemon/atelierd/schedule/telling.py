"""Moments and durations of forecasts as people say them, no more exact than they are known."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def told_moment(moment: datetime, zone: tzinfo | None) -> str:
    """Return `Tuesday 12 January 03:40`: it holds whenever it is read."""
    local = moment.astimezone(zone)
    return f"{local:%A} {local.day} {local:%B %H:%M}"


def told_soon(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    """Return `Tuesday 03:40`, with the date unless it is in the next days."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    days = (local.date() - today.date()).days
    return f"{local:%A %H:%M}" if 0 <= days < 7 else told_moment(moment, zone)


def told_end(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    """Return when something is done, later rather than sooner: to 10 min if it is far ahead."""
    grain = _MINUTE if moment - now < _HOUR else 10 * _MINUTE
    return told_soon(rounded_up(moment, grain), now, zone)


def told_duration(duration: timedelta) -> str:
    """Return `40 s`, `25 min`, `3 h 20 min`, `9 h` or `3 d 4 h`, rounded up."""
    if duration <= _MINUTE:
        return f"{-(-duration // timedelta(seconds=1))} s"
    if duration <= _HOUR:
        return f"{-(-duration // _MINUTE)} min"
    if duration <= _DAY:
        hours, rest = divmod(-(-duration // (10 * _MINUTE)) * 10, 60)
        return f"{hours} h" + (f" {rest} min" if rest else "")
    days, hours = divmod(-(-duration // _HOUR), 24)
    return f"{days} d" + (f" {hours} h" if hours else "")


def rounded_up(moment: datetime, grain: timedelta) -> datetime:
    """Return the next moment that is a whole number of `grain`, which divides an hour."""
    begun = moment.replace(minute=0, second=0, microsecond=0)
    return begun + -((begun - moment) // grain) * grain
