"""Numbers, times and names as people read them."""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime

#: Invisible characters that belong into a text: they join and dress emoji and letters.
_JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")
#: Values from which on a number is written as a power of ten.
_HUGE, _TINY = 1e9, 1e-3


def visible(text: str) -> str:
    """Return `text` with what cannot be seen, or turns the direction of reading, escaped."""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if character not in _JOINERS and unicodedata.category(character) in _UNSEEN
        else character
        for character in text
    )


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def lines(text: str) -> list[str]:
    """Return the lines of a reason, each as `visible` shows it."""
    return [visible(line) for line in text.split("\n") if line.strip()]


def duration(seconds: float) -> str:
    """Return `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, part_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {part_unit}" if rest else "")
    return f"{whole} s"


def time_left(seconds: float) -> str:
    """Return a duration that promises no more than is known: `about 4 min`."""
    if seconds < 55:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 3_300:
        return f"about {max(1, round(seconds / 60))} min"
    if seconds < 36_000:
        hours, minutes = divmod(round(seconds / 600) * 10, 60)
        return f"about {hours} h" + (f" {minutes} min" if minutes else "")
    return f"about {duration(round(seconds / 3_600) * 3_600)}"


def number(value: float) -> str:
    """Return a number with at most 4 digits after the point and none that mean nothing."""
    if not math.isfinite(value):
        return str(value)
    if value and not _TINY <= abs(value) < _HUGE:
        return f"{value:.4g}"
    if float(value).is_integer() or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.1f}"


def size_of(count: int) -> str:
    """Return a number of bytes as `812 kB` or `4.2 MB`."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.{1 if count < 10 * size else 0}f} {unit}"
    return f"{count} bytes"


def moment(when: datetime) -> str:
    """Return a time for readers without a script: `23 Nov 2026, 18:40 UTC`."""
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M} UTC"


def iso(when: datetime) -> str:
    """Return a time for machines, to the second."""
    return when.astimezone(UTC).isoformat(timespec="seconds")


def several(count: int, one: str, many: str | None = None) -> str:
    """Return `1 picture` or `1,200 pictures`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
