from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from atelierd.errors import JobFault
from atelierd.jobs.placed import told
from atelierd.jobs.reader import read_job
from atelierd.jobs.timing import wishes_of
from atelierd.schedule.reading import read_hours
from atelierd.schedule.timetable import NO_WISHES, Timetable, Wishes

BERLIN = ZoneInfo("Europe/Berlin")
DROPPED = datetime(2026, 11, 25, 12, 0, tzinfo=BERLIN)
NIGHTS = Timetable({"night": (read_hours("22:00-06:00"),)}, BERLIN)


def job(*lines: str) -> bytes:
    return "\n".join(["content: a.jpg", "style: b.jpg", *lines]).encode()


def wishes(*lines: str, timetable: Timetable = NIGHTS) -> Wishes:
    return wishes_of(read_job(job(*lines), "job.yaml"), timetable, DROPPED)


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)


def test_a_job_that_says_nothing_wishes_for_nothing() -> None:
    assert wishes() == NO_WISHES


def test_times_are_taken_from_when_the_job_was_dropped() -> None:
    found = wishes("not_before: 23:30", "window: night", "deadline: 05:00")
    assert found == Wishes(berlin(25, 23, 30), "night", berlin(26, 5))
    assert wishes("deadline: 2026-11-27").deadline == berlin(28, 0)
    # By eight in the morning after the evening in which it may begin.
    assert wishes("not_before: 2026-11-27 20:00", "deadline: 08:00").deadline == berlin(28, 8)


def test_a_deadline_that_has_passed_is_taken_as_it_is() -> None:
    assert wishes("deadline: 2026-11-01 12:00").deadline == berlin(1, 12)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["window: nigth"], "line 3, window: found 'nigth'; expected one of the daemon's windows"),
        (["window: 08:00-12:00"], "line 3, window: found '08:00-12:00', of which the daemon's own"),
        (["name: x", "not_before: 2029-01-01"], "line 4, not_before: .* more than a year ahead"),
        (
            ["not_before: 2026-11-28 10:00", "deadline: 2026-11-27 10:00"],
            "line 4, deadline: .* comes before not_before: 2026-11-28 10:00",
        ),
    ],
)
def test_nonsense_is_told_with_its_line(lines: list[str], words: str) -> None:
    data = job(*lines)
    with pytest.raises(JobFault) as caught:
        wishes_of(read_job(data, "job.yaml"), NIGHTS, DROPPED)
    import re

    assert re.search(words, told(caught.value, data, "job.yaml"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not_before: tonight", "line 3, not_before: found 'tonight'; expected a time such as"),
        ("deadline: 2026-02-30", "line 3, deadline: found '2026-02-30'; there is no such day"),
        ("deadline: 22", "line 3, deadline: found 22; expected a time, a date, or both"),
        ("window: {a: b}", "line 3, window: found the keys a; expected a window's name"),
        ("windows: night", "line 3, windows: unknown key; did you mean window?"),
    ],
)
def test_what_no_time_looks_like_is_told_by_the_reader(line: str, words: str) -> None:
    with pytest.raises(JobFault) as caught:
        read_job(job(line), "job.yaml")
    assert words in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(JobFault) as caught:
        wishes("window: nigth", "not_before: 2029-01-01")
    assert len(str(caught.value).splitlines()) == 2


def test_without_windows_own_hours_are_all_that_counts(**_: Any) -> None:
    found = wishes("window: sat sun", timetable=Timetable(zone=BERLIN))
    assert found.window == "sat sun"
