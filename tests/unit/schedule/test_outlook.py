"""When the jobs of a queue will be done."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from atelierd.schedule.outlook import Outlook, Task, look_ahead
from atelierd.schedule.reading import read_hours
from atelierd.schedule.windows import ALWAYS, Schedule

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026, whose 25th is a Wednesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)


def hours(text: str) -> Schedule:
    return Schedule((read_hours(text),), BERLIN)


NIGHTS = hours("22:00-06:00")
NOON = berlin(25, 12)


def task(key: str, needs: float | None, schedule: Schedule = NIGHTS, **facts: Any) -> Task:
    return Task(key, None if needs is None else needs * HOUR, schedule, **facts)


def ends(*tasks: Task, now: datetime = NOON, lanes: int = 1) -> dict[str, datetime | None]:
    return {key: found.ends for key, found in look_ahead(tasks, now, lanes).items()}


def test_nine_hours_in_a_night_of_eight_end_in_the_next_one() -> None:
    found = look_ahead([task("a", 9)], NOON)["a"]
    assert found == Outlook(berlin(25, 22), berlin(26, 23), 9 * HOUR, 8 * HOUR)


def test_without_hours_one_comes_after_the_other() -> None:
    assert ends(task("a", 2, ALWAYS), task("b", 3, ALWAYS)) == {
        "a": berlin(25, 14),
        "b": berlin(25, 17),
    }
    assert look_ahead([task("a", 2, ALWAYS)], NOON)["a"].has is None


def test_what_waits_for_its_hours_lets_others_go_first() -> None:
    found = ends(task("night", 2), task("any", 12, ALWAYS))
    # At ten the first one may begin, but nothing is taken from the device for an equal.
    assert found == {"any": berlin(26, 0), "night": berlin(26, 2)}


def test_a_more_urgent_job_takes_the_device_when_its_hours_begin() -> None:
    found = ends(task("night", 2, priority=1), task("any", 12, ALWAYS))
    assert found == {"night": berlin(26, 0), "any": berlin(26, 2)}


def test_not_before_holds() -> None:
    late = task("late", 1, ALWAYS, not_before=berlin(26, 3))
    assert ends(late, task("other", 2, ALWAYS)) == {
        "other": berlin(25, 14),
        "late": berlin(26, 4),
    }


def test_several_devices_share_the_work() -> None:
    jobs = [task(key, 2, ALWAYS) for key in "abc"]
    assert ends(*jobs, lanes=2) == {
        "a": berlin(25, 14),
        "b": berlin(25, 14),
        "c": berlin(25, 16),
    }
    assert ends(task("matrix", 8, ALWAYS, width=10), lanes=4) == {"matrix": berlin(25, 14)}


def test_what_nobody_can_foretell_is_not_foretold() -> None:
    found = look_ahead([task("unknown", None), task("known", 1)], NOON)
    assert found["unknown"] == Outlook(berlin(25, 22), None, None)
    assert found["known"].ends == berlin(25, 23)
    never = Schedule((read_hours("10:00-12:00"),), BERLIN, inside=NIGHTS)
    assert look_ahead([task("a", 1, never)], NOON)["a"] == Outlook(None, None, HOUR)
    assert look_ahead([task("a", 9_000, hours("sun 04:00-04:10"))], NOON)["a"].ends is None


@settings(max_examples=100, deadline=None)
@given(
    works=st.lists(st.integers(1, 600), min_size=1, max_size=8),
    begins=st.integers(0, 1439),
    lasts=st.integers(60, 1439),
    minute=st.integers(0, 6 * 1440),
)
def test_one_device_with_one_kind_of_hours_does_the_sum_of_all_work(
    works: list[int], begins: int, lasts: int, minute: int
) -> None:
    window = Schedule(
        (
            read_hours(
                f"{begins // 60:02}:{begins % 60:02}-"
                f"{(begins + lasts) % 1440 // 60:02}:{(begins + lasts) % 60:02}"
            ),
        ),
        BERLIN,
    )
    # Around the change of the clock in March.
    now = datetime(2026, 3, 26, tzinfo=BERLIN) + minute * timedelta(minutes=1)
    tasks = [task(str(n), work / 60, window) for n, work in enumerate(works)]
    found = ends(*tasks, now=now)
    total = timedelta(0)
    for number, work in enumerate(works):
        total += timedelta(minutes=work)
        assert found[str(number)] == window.done(now, total)


@settings(max_examples=60, deadline=None)
@given(
    works=st.lists(
        st.tuples(st.integers(1, 600), st.integers(-1, 1), st.booleans()), min_size=1, max_size=6
    ),
    lanes=st.integers(1, 3),
)
def test_nobody_is_done_before_his_work_can_be(
    works: list[tuple[int, int, bool]], lanes: int
) -> None:
    tasks = [
        task(str(n), work / 60, NIGHTS if night else ALWAYS, priority=priority, width=2)
        for n, (work, priority, night) in enumerate(works)
    ]
    tasks.sort(key=lambda one: -one.priority)
    found = look_ahead(tasks, NOON, lanes)
    for one in tasks:
        end = found[one.key].ends
        assert end is not None and one.work is not None
        alone = one.schedule.done(NOON, one.work / min(lanes, 2))
        assert alone is not None and end >= alone - timedelta(microseconds=lanes)
