from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from atelierd.schedule.telling import told_duration, told_end, told_moment, told_soon

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-11-25T22:00+01:00", "Wednesday 22:00"),
        ("2026-11-26T01:00+00:00", "Thursday 02:00"),
        ("2026-12-01T23:59+01:00", "Tuesday 23:59"),
        ("2026-12-02T00:00+01:00", "Wednesday 2 December 00:00"),
        ("2026-11-24T12:00+01:00", "Tuesday 24 November 12:00"),
    ],
)
def test_a_moment_of_the_next_days_is_told_by_its_weekday(moment: str, words: str) -> None:
    assert told_soon(datetime.fromisoformat(moment), NOON, BERLIN) == words


def test_a_moment_that_is_read_later_has_its_date() -> None:
    assert told_moment(NOON, BERLIN) == "Wednesday 25 November 12:00"


@pytest.mark.parametrize(
    ("after", "words"),
    [(90, "Wednesday 12:02"), (3540, "Wednesday 12:59"), (14 * 3600 + 61, "Thursday 02:10")],
)
def test_an_end_is_told_as_exactly_as_it_is_known(after: int, words: str) -> None:
    assert told_end(NOON + timedelta(seconds=after), NOON, BERLIN) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (39.2, "40 s"),
        (61, "2 min"),
        (3600, "60 min"),
        (3601, "1 h 10 min"),
        (9 * 3600, "9 h"),
        (86_400, "24 h"),
        (86_401, "1 d 1 h"),
        (3 * 86_400, "3 d"),
    ],
)
def test_a_duration_is_rounded_up(seconds: float, words: str) -> None:
    assert told_duration(timedelta(seconds=seconds)) == words
