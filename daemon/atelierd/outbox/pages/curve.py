"""The objective's curve: what its drawing is made of.

Each scale has a line of its own, for the objective of another size is another function; below it
are the lines of the terms that it is the sum of. Values go by their logarithm: they fall through
several powers of ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TypeVar

from atelierd.outbox.pages.receipts import Phase, Step
from atelierd.outbox.pages.text import number

T = TypeVar("T")

#: Points of one line, about: more cannot be seen.
MOST_POINTS = 400
#: Rows of the table that says the same in numbers.
MOST_ROWS = 24
#: The drawing's own units, in each direction.
EXTENT = 1000.0
_MARGIN = 0.06
#: Values that are marked, about, and powers of ten beyond which a float has no room for them.
_MOST_VALUES, _LARGEST_DECADE = 6, 300
#: Powers of ten below the objective's lowest value that terms are drawn in; what is less counts
#: for nothing.
_DEPTH = 4.0
#: The terms as a step has them, and as people call them.
TERMS = {"content": "content", "style": "style", "tv": "total variation"}


@dataclass(frozen=True)
class Line:
    """One scale."""

    name: str
    #: `x,y` pairs in the drawing's units, y downwards.
    points: str
    #: Where it ends, in percent from the left.
    end: float


@dataclass(frozen=True)
class Term:
    """One of the terms that the objective is the sum of."""

    #: As a step has it: `content`, `style` or `tv`.
    name: str
    label: str
    #: As `Line.points`, for each scale in which it can be seen.
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Tick:
    """A value with its place in percent from the left or from the top."""

    at: float
    label: str


@dataclass(frozen=True)
class Curve:
    """Everything that the drawing shows."""

    lines: tuple[Line, ...]
    terms: tuple[Term, ...]
    values: tuple[Tick, ...]
    iterations: tuple[Tick, ...]
    #: A sample of the steps, the first and the last one among them.
    rows: tuple[Step, ...]
    #: What can be pointed at: iteration, value and terms, place from left and from top in percent.
    marks: tuple[tuple[int, str, float, float], ...]
    summary: str


def curve_of(trace: Sequence[Step]) -> Curve | None:
    """Return the curve of a render; None of fewer than two steps."""
    steps = [step for step in trace if step.value > 0]
    if len(steps) < 2:
        return None
    logs = [math.log10(step.value) for step in steps]
    depth = min(logs) - _DEPTH
    terms = [math.log10(value) for step in steps for value in terms_of(step).values() if value > 0]
    frame = _Frame(
        first=min(step.iteration for step in steps),
        last=max(step.iteration for step in steps),
        low=min(log for log in (*logs, *terms) if log >= depth),
        high=max(logs),
    )
    scales = [list(group) for _, group in groupby(steps, key=lambda s: (s.width, s.height))]
    first, last = steps[0], steps[-1]
    return Curve(
        lines=tuple(_line(scale, frame) for scale in scales),
        terms=tuple(_terms(scales, frame)),
        values=tuple(frame.value_ticks()),
        iterations=tuple(frame.iteration_ticks()),
        rows=tuple(_sample(steps, MOST_ROWS)),
        marks=tuple(
            (step.iteration, _told(step), frame.left(step), frame.top(step.value))
            for step in _sample(steps, MOST_POINTS)
        ),
        summary=f"The objective went from {number(first.value)} at iteration {first.iteration} to "
        f"{number(last.value)} at iteration {last.iteration}, "
        + ("at one scale." if len(scales) == 1 else f"over {len(scales)} scales.")
        + _ending(last),
    )


def terms_of(step: Step) -> dict[str, float]:
    """Return the terms of a step by their names, those that are known and count."""
    values = {name: getattr(step, name) for name in TERMS}
    return {name: value for name, value in values.items() if value}


def _told(step: Step) -> str:
    """Return a step's value in words, and what it is the sum of."""
    terms = [f"{number(value)} {TERMS[name]}" for name, value in terms_of(step).items()]
    return number(step.value) + (f" = {' + '.join(terms)}" if terms else "")


def _ending(last: Step) -> str:
    """Return the sentence on what the objective consists of in the end."""
    parts = [
        f"{TERMS[name]} {100 * value / last.value:.0f} %" for name, value in terms_of(last).items()
    ]
    return f" In the end it is {', '.join(parts)}." if parts else ""


def _terms(scales: Sequence[Sequence[Step]], frame: _Frame) -> Iterator[Term]:
    for name, label in TERMS.items():
        lines = [
            _points([(step, value) for step, value in _of_term(scale, name, frame)], frame)
            for scale in scales
        ]
        if any(lines):
            yield Term(name, label, tuple(points for points in lines if points))


def _of_term(scale: Sequence[Step], name: str, frame: _Frame) -> Iterator[tuple[Step, float]]:
    for step in scale:
        value = getattr(step, name)
        if value is not None and value > 0 and frame.low <= math.log10(value) <= frame.high:
            yield step, value


@dataclass(frozen=True)
class _Frame:
    first: int
    last: int
    #: Powers of ten.
    low: float
    high: float

    def left(self, step: Step) -> float:
        span = max(self.last - self.first, 1)
        return round(100 * (step.iteration - self.first) / span, 2)

    def top(self, value: float) -> float:
        span = max(self.high - self.low, 1e-9)
        part = (math.log10(value) - self.low) / span
        return round(100 * (1 - _MARGIN - part * (1 - 2 * _MARGIN)), 2)

    def value_ticks(self) -> Iterator[Tick]:
        """Yield round values: powers of ten, or with 2 and 5 between them where they are few."""
        every = max(1, math.ceil((self.high - self.low) / _MOST_VALUES))
        factors = (1,) if self.high - self.low > 2.5 else (1, 2, 5)
        for decade in range(math.floor(self.low), math.ceil(self.high) + 1):
            for factor in factors if decade % every == 0 else ():
                at = decade + math.log10(factor)
                if self.low <= at <= self.high and abs(decade) < _LARGEST_DECADE:
                    value = factor * 10.0**decade
                    yield Tick(self.top(value), number(value))

    def iteration_ticks(self) -> Iterator[Tick]:
        span = max(self.last - self.first, 1)
        step = next(s for s in _round_steps() if span / s <= 5)
        for iteration in range(step * math.ceil(self.first / step), self.last + 1, step):
            yield Tick(round(100 * (iteration - self.first) / span, 2), f"{iteration:,}")


def _round_steps() -> Iterator[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def _line(scale: Sequence[Step], frame: _Frame) -> Line:
    points = _points([(step, step.value) for step in scale], frame)
    return Line(f"{scale[0].width} × {scale[0].height}", points, frame.left(scale[-1]))  # noqa: RUF001


def _points(values: Sequence[tuple[Step, float]], frame: _Frame) -> str:
    factor = EXTENT / 100
    return " ".join(
        f"{frame.left(step) * factor:.1f},{frame.top(value) * factor:.1f}"
        for step, value in _sample(values, MOST_POINTS)
    )


def _sample(steps: Sequence[T], most: int) -> Iterator[T]:
    """Yield at most `most` steps, evenly spread, the first and the last one among them."""
    if len(steps) <= most:
        yield from steps
        return
    for index in range(most):
        yield steps[index * (len(steps) - 1) // (most - 1)]


def seconds_per_iteration(phases: Sequence[Phase], trace: Sequence[Step]) -> list[float | None]:
    """Return how long an iteration took in each phase: the median, None where there was none.

    The first step of a phase, which also sets up, counts only where there is no other.
    """
    before, begun = 0.0, 0
    paces: list[float | None] = []
    for phase in phases:
        end = begun + phase.iterations
        taken = []
        for step in trace:
            if begun < step.iteration <= end:
                taken.append(max(0.0, step.seconds - before))
                before = step.seconds
        paces.append(median(taken[1:] or taken) if taken else None)
        begun = end
    return paces
