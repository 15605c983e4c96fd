from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from atelierd.schedule.reading import check_moment, read_hours, read_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "days", "begins", "ends"),
    [
        ("22:00-06:00", "0123456", 22, 30),
        ("mon-fri 20:00-08:00", "01234", 20, 32),
        ("sat sun", "56", 0, 24),
        ("Sat, Sun", "56", 0, 24),
        ("friday-monday 9:00-17:00", "4560", 9, 17),
        ("tue, thu-fri 00:00-24:00", "134", 0, 24),
        (" wed  18:00 \N{EN DASH} 24:00 ", "2", 18, 24),
        ("mon - wed", "012", 0, 24),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, days: str, begins: int, ends: int) -> None:
    hours = read_hours(text)
    assert hours.days == {int(day) for day in days}
    assert (hours.begins, hours.ends) == (timedelta(hours=begins), timedelta(hours=ends))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected days and hours such as `22:00-06:00`"),
        ("night", "where 'night' is no day"),
        ("mon-fry 22:00-06:00", "where 'fry' is no day"),
        ("22-06", "expected days and hours"),
        ("22:00", "expected days and hours"),
        ("25:00-06:00", "where 25:00 is no time of day"),
        ("22:00-06:60", "where 06:60 is no time of day"),
        ("24:00-06:00", "where 24:00 is no time of day"),
        ("08:00-08:00", "leave the hours out"),
        ("22:00-06:00 mon", "expected days and hours"),
        ("08:00-12:00 13:00-17:00", "expected days and hours"),
        ("-", "expected days and hours"),
        ("mon-", "is no day"),
        ("\x1b[31m", r"\\x1b"),
    ],
)
def test_what_are_no_hours_is_told_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_hours(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22:00", "2026-11-25T22:00+01:00"),
        ("06:00", "2026-11-26T06:00+01:00"),
        ("12:00", "2026-11-26T12:00+01:00"),
        ("2026-11-27", "2026-11-27T00:00+01:00"),
        ("2026-11-27 06:30", "2026-11-27T06:30+01:00"),
        ("2026-11-27T06:30:15", "2026-11-27T06:30:15+01:00"),
        ("2026-11-27 06:30Z", "2026-11-27T06:30+00:00"),
        ("2026-11-27 06:30 -05:00", "2026-11-27T06:30-05:00"),
        ("2026-07-01 12:00", "2026-07-01T12:00+02:00"),
    ],
)
def test_a_moment_is_a_time_a_date_or_both(text: str, expected: str) -> None:
    assert check_moment(text) == text
    assert read_moment(text, NOON, BERLIN, day_ends=False) == datetime.fromisoformat(expected)


def test_a_date_alone_may_mean_its_end() -> None:
    found = read_moment("2026-11-27", NOON, BERLIN, day_ends=True)
    assert found == datetime(2026, 11, 28, tzinfo=BERLIN)
    exact = read_moment("2026-11-27 06:00", NOON, BERLIN, day_ends=True)
    assert exact == datetime(2026, 11, 27, 6, tzinfo=BERLIN)


def test_a_time_that_the_clock_skips_today_is_the_moment_of_the_change() -> None:
    night = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert read_moment("02:30", night, BERLIN, day_ends=False) == datetime(
        2026, 3, 29, 1, 0, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "text",
    ["", "tonight", "24:00", "7", "2026-13-01", "2026-02-30", "2026-11-27 25:00", "27.11.2026",
     "0001-01-01", "9999-12-31", "2026-11-27 06", "2026-11-27 06:00 Europe/Berlin"],
)  # fmt: skip
def test_what_is_no_moment_is_told_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"found '.*'; (expected a time|there is no such day)"):
        check_moment(text)
