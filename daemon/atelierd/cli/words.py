"""Numbers and states as people read them in a terminal."""

from __future__ import annotations

#: Colors of the states that jobs, renders and attempts can be in.
COLORS = {
    "running": "cyan",
    "done": "green",
    "failed": "red",
    "held": "yellow",
    "cancelled": "dim",
}


def clock(seconds: float | None) -> str:
    """Return a duration as `0:35` or `2:03:10`; `-:--` where it is not known."""
    if seconds is None:
        return "-:--"
    minutes, left = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def objective(value: float | None) -> str:
    """Return an objective's value with about six digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.5g}"


def pace(seconds: float | None) -> str:
    """Return how long an iteration takes: `0.31 s/it`, `45 ms/it`."""
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f} ms/it" if seconds < 0.1 else f"{seconds:.2f} s/it"


def count(number: int, thing: str) -> str:
    """Return `1 job`, `3,000 jobs`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def size(amount: float) -> str:
    """Return bytes as `812 bytes`, `8.6 kB`, `58.9 MB` or `3.1 GB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if amount >= unit:
            return f"{amount / unit:,.1f} {name}"
    return f"{amount:,.0f} bytes"


def first_line(text: str) -> str:
    """Return what a reason begins with."""
    return text.partition("\n")[0]
