from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from atelierd.schedule.reading import read_hours
from atelierd.schedule.timetable import Timetable

BERLIN = ZoneInfo("Europe/Berlin")
WEDNESDAY_NOON = datetime(2026, 11, 25, 12, 0, tzinfo=BERLIN)
NIGHTS = Timetable(
    {"night": (read_hours("22:00-06:00"),), "weekend": (read_hours("sat sun"),)}, BERLIN
)


def berlin(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=BERLIN)


def test_without_windows_it_is_always_open() -> None:
    assert Timetable().whole.is_always and Timetable().asked("").is_always


def test_any_window_will_do_for_a_job_that_names_none() -> None:
    assert NIGHTS.asked("").opens(WEDNESDAY_NOON) == berlin(25, 22)
    assert NIGHTS.asked("").is_open(berlin(28, 12))


def test_a_job_may_name_a_window() -> None:
    assert NIGHTS.asked("weekend").opens(WEDNESDAY_NOON) == berlin(28, 0)


def test_a_jobs_own_hours_count_inside_the_daemons() -> None:
    early = NIGHTS.asked("20:00-23:00")
    assert early.opens(WEDNESDAY_NOON) == berlin(25, 22)
    assert early.closes(berlin(25, 22)) == berlin(25, 23)
    assert Timetable(zone=BERLIN).asked("20:00-23:00").opens(WEDNESDAY_NOON) == berlin(25, 20)


def test_a_window_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"found 'nigth'; expected one of .* \(night, weekend\)"):
        NIGHTS.asked("nigth")
    with pytest.raises(ValueError, match="the daemon has no named windows"):
        Timetable().asked("night")


def test_an_accepted_job_whose_window_is_no_more_goes_by_all_of_them() -> None:
    assert NIGHTS.of("evening") == NIGHTS.whole
    assert Timetable().of("night").is_open(datetime(2026, 1, 1, tzinfo=UTC))
