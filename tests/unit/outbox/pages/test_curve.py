from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelierd.outbox.pages.curve import MOST_POINTS, MOST_ROWS, curve_of, seconds_per_iteration
from atelierd.outbox.pages.receipts import Phase, Step


def steps(*values: float) -> list[Step]:
    return [
        Step(iteration=i + 1, width=64, height=48, value=value, evaluations=i + 1, seconds=i)
        for i, value in enumerate(values)
    ]


def test_each_scale_has_a_line_of_its_own(receipt: dict[str, Any]) -> None:
    curve = curve_of([Step(**entry) for entry in receipt["trace"]])
    assert curve is not None
    assert [line.name for line in curve.lines] == ["64 \u00d7 48", "128 \u00d7 96"]
    assert curve.lines[1].end == 100.0
    assert curve.summary == (
        "The objective went from 10,000,000 at iteration 1 to 50,000 at iteration 200, over 2 "
        "scales."
    )


def test_values_are_marked_at_round_numbers() -> None:
    curve = curve_of(steps(9e6, 4e4, 1.5e3))
    assert curve is not None
    assert [tick.label for tick in curve.values] == ["10,000", "100,000", "1,000,000"]
    narrow = curve_of(steps(9e6, 1.1e6))
    assert narrow is not None
    assert [tick.label for tick in narrow.values] == ["2,000,000", "5,000,000"]


def with_terms(values: list[Any]) -> list[Step]:
    """Return steps of these `(value, content, style, tv)`."""
    return [
        step.model_copy(update={"content": content, "style": style, "tv": tv})
        for step, (_, content, style, tv) in zip(
            steps(*(v[0] for v in values)), values, strict=True
        )
    ]


def test_the_terms_are_drawn_by_scale_below_what_they_add_up_to() -> None:
    trace = with_terms([(1000, 100, 890, 10), (200, 120, 79, 1)])
    larger = [step.model_copy(update={"width": 96, "iteration": step.iteration + 2})
              for step in trace]  # fmt: skip
    curve = curve_of([*trace, *larger])
    assert curve is not None
    assert [(term.name, term.label) for term in curve.terms] == [
        ("content", "content"), ("style", "style"), ("tv", "total variation")
    ]  # fmt: skip
    for term in curve.terms:
        assert len(term.lines) == len(curve.lines) == 2
        for points, whole in zip(term.lines, curve.lines, strict=True):
            for point, above in zip(points.split(), whole.points.split(), strict=True):
                (x, y), (left, top) = point.split(","), above.split(",")
                assert x == left
                assert float(y) > float(top)
    assert curve.summary.endswith("In the end it is content 60 %, style 40 %, total variation 0 %.")
    assert curve.marks[0][1] == "1,000 = 100 content + 890 style + 10 total variation"


def test_a_term_that_counts_for_nothing_is_not_drawn() -> None:
    curve = curve_of(with_terms([(1000, 0, 1000, 1e-9), (200, None, 200, 1e-9)]))
    assert curve is not None
    assert [term.name for term in curve.terms] == ["style"]
    assert [tick.label for tick in curve.values] == ["200", "500", "1,000"]


def test_a_receipt_without_terms_has_a_curve_without_them() -> None:
    curve = curve_of(steps(9, 8))
    assert curve is not None
    assert curve.terms == ()
    assert "In the end" not in curve.summary


TERM = st.none() | st.floats(min_value=-1e300, max_value=1e300, allow_nan=False)


@given(st.lists(st.tuples(st.floats(0, 1e300), TERM, TERM, TERM), min_size=2, max_size=20))
def test_terms_that_cannot_be_stay_within_the_drawing(values: list[Any]) -> None:
    curve = curve_of(with_terms(values))
    for term in curve.terms if curve else ():
        for points in term.lines:
            for point in points.split():
                assert all(0 <= float(place) <= 1000 for place in point.split(","))


VALUES = st.floats(min_value=0, max_value=1e300, allow_nan=False)


@given(st.lists(VALUES, min_size=2, max_size=2 * MOST_POINTS))
def test_everything_lies_within_the_drawing(values: list[float]) -> None:
    curve = curve_of(steps(*values))
    if curve is None:
        assert sum(value > 0 for value in values) < 2
        return
    for line in curve.lines:
        for point in line.points.split():
            assert all(0 <= float(place) <= 1000 for place in point.split(","))
        assert len(line.points.split()) <= MOST_POINTS
    ticks = [tick.at for tick in (*curve.values, *curve.iterations)]
    assert all(0 <= at <= 100 for at in ticks)
    assert len(curve.iterations) <= 6
    assert len(curve.values) <= 8
    assert len(curve.rows) <= MOST_ROWS
    shown = [step for step in steps(*values) if step.value > 0]
    assert (curve.rows[0], curve.rows[-1]) == (shown[0], shown[-1])


@pytest.mark.parametrize("values", [(), (5.0,), (0.0, 0.0)])
def test_too_little_makes_no_curve(values: tuple[float, ...]) -> None:
    assert curve_of(steps(*values)) is None


def test_the_pace_is_told_for_each_phase(receipt: dict[str, Any]) -> None:
    phases = [Phase(**phase) for phase in receipt["phases"]]
    trace = [Step(**entry) for entry in receipt["trace"]]
    first, second = seconds_per_iteration(phases, trace)
    assert first == pytest.approx(0.1)
    assert second == pytest.approx(0.4)


def test_the_step_that_sets_a_phase_up_does_not_count() -> None:
    phases = [Phase(width=64, height=48, iterations=3, precision="fp32")] * 2
    trace = steps(9, 8, 7)
    slow = [step.model_copy(update={"seconds": step.seconds + 100}) for step in trace]
    assert seconds_per_iteration(phases, slow) == [1.0, None]
