from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelierd.outbox.pages.text import (
    duration,
    iso,
    lines,
    moment,
    number,
    several,
    size_of,
    time_left,
    visible,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (1.234, "1.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 3600 * 4, "3 d 4 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 5 s"),
        (43, "about 45 s"),
        (56, "about 1 min"),
        (250, "about 4 min"),
        (3400, "about 1 h"),
        (9000, "about 2 h 30 min"),
        (90_000, "about 1 d 1 h"),
    ],
)
def test_a_time_left_promises_no_more_than_is_known(seconds: float, words: str) -> None:
    assert time_left(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (5, "5"),
        (0.5, "0.5"),
        (30.25, "30.25"),
        (535313.7, "535,314"),
        (1.5e12, "1.5e+12"),
        (1e-7, "1e-07"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_has_no_digits_that_mean_nothing(value: float, words: str) -> None:
    assert number(value) == words


def test_bytes_are_told_in_the_unit_that_fits() -> None:
    assert [size_of(n) for n in (812, 80_123, 4_200_000, 12_000_000, 3 * 10**9)] == [
        "812 bytes", "80 kB", "4.2 MB", "12 MB", "3.0 GB"
    ]  # fmt: skip


def test_times_are_told_in_utc() -> None:
    when = datetime(2026, 3, 1, 1, 30, 5, 99, tzinfo=timezone(timedelta(hours=2)))
    assert moment(when) == "28 Feb 2026, 23:30 UTC"
    assert iso(when) == "2026-02-28T23:30:05+00:00"


def test_one_is_not_many() -> None:
    assert [several(n, "picture") for n in (0, 1, 1200)] == [
        "0 pictures", "1 picture", "1,200 pictures"
    ]  # fmt: skip


def test_what_turns_the_direction_of_reading_is_seen() -> None:
    assert visible("a\u202egnp.exe\u2066\u200b") == "a\\u202egnp.exe\\u2066\\u200b"


def test_an_emoji_stays_whole() -> None:
    family = "👩\u200d👧 ❤️"
    assert visible(family) == family


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_whatever_is_visible_can_be_written_in_utf_8_on_one_line(text: str) -> None:
    shown = visible(text)
    assert len(f"{shown.encode().decode()}.".splitlines()) == 1


def test_a_reason_keeps_its_lines() -> None:
    assert lines("first\n\nsecond\u2028line\n") == ["first", "second\\u2028line"]
