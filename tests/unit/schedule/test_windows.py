"""Weekly hours, over changes of the clock all over the world, against an oracle that tries minutes.

Everything is asked of schedules made anew for each question, as after a restart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelierd.schedule.reading import read_hours
from atelierd.schedule.windows import (
    ALWAYS,
    FOREVER,
    HORIZON,
    WHOLE_WEEK,
    Hours,
    Schedule,
    clock_of,
    moment_of,
)

#: Offsets that are no whole hours, changes by half an hour and by two, at midnight, in the south,
#: and a day that was skipped.
ZONES = (
    *("Europe/Berlin", "America/New_York", "UTC", "Asia/Kathmandu", "Antarctica/Troll"),
    *("Australia/Lord_Howe", "Pacific/Chatham", "America/Santiago", "Africa/Casablanca"),
    *("America/Sao_Paulo", "America/St_Johns", "Pacific/Apia", "Africa/Cairo"),
)
YEARS = (2011, 2017, 2026)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@cache
def changes(zone: str) -> list[datetime]:
    """The hours of three years in which the clock of a zone is set."""
    found = []
    for year in YEARS:
        hour = datetime(year, 1, 1, tzinfo=UTC)
        while hour.year == year:
            later = hour + timedelta(hours=1)
            if (
                hour.astimezone(ZoneInfo(zone)).utcoffset()
                != later.astimezone(ZoneInfo(zone)).utcoffset()
            ):
                found.append(hour)
            hour = later
    return found


@st.composite
def moments(draw: st.DrawFn, zone: str) -> datetime:
    """Moments, most of them within two days of a change of the clock."""
    around = [*changes(zone), datetime(2026, 6, 15, tzinfo=UTC)]
    return draw(st.sampled_from(around)) + draw(st.integers(-2880, 2880)) * MINUTE


@st.composite
def hours(draw: st.DrawFn) -> Hours:
    begins = draw(st.integers(0, 1439))
    # Changes come at night; windows that begin or end in them are the interesting ones.
    if draw(st.booleans()):
        begins = draw(st.integers(0, 240))
    lasts = draw(st.integers(1, 1440))
    days = frozenset(draw(st.sets(st.integers(0, 6), min_size=1)))
    return Hours(days, begins * MINUTE, (begins + lasts) * MINUTE)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, tuple[Hours, ...], datetime]:
    zone = draw(st.sampled_from(ZONES))
    return zone, tuple(draw(st.lists(hours(), min_size=1, max_size=3))), draw(moments(zone))


def first_minute(clock: datetime, zone: str) -> datetime:
    """The oracle: the first minute at which the clock shows a time or a later one."""
    minute = clock.replace(tzinfo=UTC) - timedelta(hours=16)
    while minute.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < clock:
        minute += MINUTE
    return minute


def is_open(zone: str, windows: tuple[Hours, ...], now: datetime) -> bool:
    """The oracle: whether some day's hours have begun by their first minute and not ended."""
    today = now.astimezone(ZoneInfo(zone)).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None
    )
    return any(
        first_minute(day + one.begins, zone) <= now < first_minute(day + one.ends, zone)
        for day in (today + number * DAY for number in (-2, -1, 0))
        for one in windows
        if day.weekday() in one.days
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_rule_22_a_time_that_the_clock_skips_or_shows_twice_is_one_moment(
    data: st.DataObject,
) -> None:
    zone = data.draw(st.sampled_from(ZONES))
    moment = data.draw(moments(zone))
    clock = moment.replace(tzinfo=None)
    assert moment_of(clock, ZoneInfo(zone)) == first_minute(clock, zone)


@settings(max_examples=120, deadline=None)
@given(questions())
def test_rule_22_open_is_what_the_clock_on_the_wall_says_whenever_it_is_set(
    question: tuple[str, tuple[Hours, ...], datetime],
) -> None:
    zone, windows, now = question
    assert Schedule(windows, ZoneInfo(zone)).is_open(now) == is_open(zone, windows, now)


@settings(max_examples=150, deadline=None)
@given(questions())
def test_rule_22_it_opens_and_closes_at_one_moment_whenever_that_is_asked(
    question: tuple[str, tuple[Hours, ...], datetime],
) -> None:
    zone, windows, now = question
    instant = timedelta(microseconds=1)

    def schedule() -> Schedule:
        return Schedule(windows, ZoneInfo(zone))

    if schedule().is_always:
        assert schedule().opens(now) == now and schedule().closes(now) is None
        return
    opens = schedule().opens(now)
    assert opens is not None and opens >= now and schedule().is_open(opens)
    assert (opens == now) == schedule().is_open(now)
    assert opens == now or not schedule().is_open(opens - instant)
    closes = schedule().closes(opens)
    assert closes is not None and opens < closes
    assert schedule().is_open(closes - instant) and not schedule().is_open(closes)
    for between in (opens + (closes - opens) / 3, closes - instant):
        assert schedule().closes(between) == closes
    for before in (now, now + (opens - now) / 2):
        assert schedule().opens(before) == opens or before == opens


@settings(max_examples=150, deadline=None)
@given(questions(), st.integers(0, 200), st.integers(0, 200))
def test_rule_22_open_time_adds_up_wherever_it_is_cut(
    question: tuple[str, tuple[Hours, ...], datetime], first: int, second: int
) -> None:
    zone, windows, now = question
    schedule = Schedule(windows, ZoneInfo(zone))
    middle = now + first * timedelta(minutes=37)
    end = middle + second * timedelta(minutes=41)
    whole = schedule.open_time(now, end)
    assert whole == schedule.open_time(now, middle) + schedule.open_time(middle, end)
    assert timedelta(0) <= whole <= end - now


@settings(max_examples=150, deadline=None)
@given(questions(), st.integers(1, 2000), st.floats(0, 1))
def test_rule_22_work_is_done_at_the_same_moment_with_a_restart_in_between(
    question: tuple[str, tuple[Hours, ...], datetime], minutes: int, share: float
) -> None:
    zone, windows, now = question
    work = minutes * MINUTE
    done = Schedule(windows, ZoneInfo(zone)).done(now, work)
    if done is None:
        # A minute or two each week are not enough for so much.
        assert Schedule(windows, ZoneInfo(zone)).open_time(now, now + HORIZON) < work
        return
    assert Schedule(windows, ZoneInfo(zone)).open_time(now, done) == work
    assert Schedule(windows, ZoneInfo(zone)).is_open(done - timedelta(microseconds=1))
    restart = now + share * (done - now)
    had = Schedule(windows, ZoneInfo(zone)).open_time(now, restart)
    again = Schedule(windows, ZoneInfo(zone)).done(restart, work - had)
    assert again == (restart if had == work else done)


@settings(max_examples=100, deadline=None)
@given(questions(), hours())
def test_hours_inside_others_are_open_while_both_are(
    question: tuple[str, tuple[Hours, ...], datetime], own: Hours
) -> None:
    zone, windows, now = question
    whole = Schedule(windows, ZoneInfo(zone))
    inside = Schedule((own,), ZoneInfo(zone), inside=whole)
    assert inside.is_open(now) == (
        whole.is_open(now) and Schedule((own,), ZoneInfo(zone)).is_open(now)
    )
    opens = inside.opens(now)
    assert opens is None or (whole.is_open(opens) and inside.is_open(opens))


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def nights(text: str = "22:00-06:00", zone: str = "Europe/Berlin") -> Schedule:
    return Schedule((read_hours(text),), ZoneInfo(zone))


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    friday = nights("fri 22:00-06:00")
    assert friday.is_open(at("2026-11-27 23:00")) and friday.is_open(at("2026-11-28 05:59"))
    assert not friday.is_open(at("2026-11-28 06:00"))
    assert not friday.is_open(at("2026-11-27 05:00")), "that is Thursday's night"
    assert friday.opens(at("2026-11-28 06:00")) == at("2026-12-04 22:00")


def test_windows_that_touch_are_one() -> None:
    schedule = Schedule(
        (read_hours("mon-fri 22:00-06:00"), read_hours("sat sun")), ZoneInfo("Europe/Berlin")
    )
    assert schedule.closes(at("2026-11-28 12:00")) == at("2026-11-30 00:00")
    assert schedule.opens(at("2026-11-30 00:00")) == at("2026-11-30 22:00")
    # Friday's night ends inside Saturday.
    assert schedule.closes(at("2026-11-27 23:00")) == at("2026-11-30 00:00")


@pytest.mark.parametrize(
    ("begins", "ends", "lasts"),
    [
        ("2026-03-28 22:00", "2026-03-29 06:00", 7),
        ("2026-10-24 22:00", "2026-10-25 06:00", 9),
        ("2026-06-15 22:00", "2026-06-16 06:00", 8),
    ],
)
def test_a_night_in_which_the_clock_is_set_is_an_hour_shorter_or_longer(
    begins: str, ends: str, lasts: int
) -> None:
    assert nights().closes(at(begins)) == at(ends)
    assert nights().open_time(at(begins), at(ends)) == timedelta(hours=lasts)


def test_what_the_clock_skips_begins_when_it_is_set() -> None:
    spring = nights("02:30-03:30")
    assert spring.opens(at("2026-03-29 00:00")) == at("2026-03-29 03:00")
    assert spring.closes(at("2026-03-29 03:15")) == at("2026-03-29 03:30")
    gone = nights("02:00-03:00")
    assert gone.opens(at("2026-03-29 00:00")) == at("2026-03-30 02:00")


def test_of_an_hour_that_comes_twice_the_first_one_counts() -> None:
    autumn = nights("22:00-02:30")
    assert autumn.closes(at("2026-10-24 22:00")) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert not autumn.is_open(datetime(2026, 10, 25, 1, 15, tzinfo=UTC)), "it is 02:15 again"


def test_a_midnight_that_does_not_exist_begins_the_day_an_hour_later() -> None:
    chile = nights("sun", "America/Santiago")
    assert chile.opens(at("2026-09-05 12:00", "America/Santiago")) == datetime(
        2026, 9, 6, 4, 0, tzinfo=UTC
    )


def test_a_day_that_was_skipped_has_no_window() -> None:
    samoa = nights("fri 10:00-12:00", "Pacific/Apia")
    assert samoa.opens(at("2011-12-28 00:00", "Pacific/Apia")) == at(
        "2012-01-06 10:00", "Pacific/Apia"
    )


def test_always_never_closes_however_it_is_written() -> None:
    now = at("2026-11-25 12:00")
    pieces = Schedule((read_hours("06:00-22:00"), read_hours("22:00-06:00")), ZoneInfo("UTC"))
    for schedule in (ALWAYS, pieces, Schedule((WHOLE_WEEK,), ZoneInfo("Asia/Kathmandu"))):
        assert schedule.is_always and schedule.is_open(now)
        assert schedule.opens(now) == now and schedule.closes(now) is None
        assert next(schedule.spans(now)).ends == FOREVER
        assert schedule.done(now, timedelta(hours=30)) == now + timedelta(hours=30)
    assert not Schedule((read_hours("mon-sat"),)).is_always


def test_nine_hours_in_nights_of_six_end_in_the_second_one() -> None:
    six = nights("00:00-06:00")
    assert six.done(at("2026-11-25 00:00"), timedelta(hours=9)) == at("2026-11-26 03:00")
    assert six.done(at("2026-11-25 12:00"), timedelta(hours=6)) == at("2026-11-26 06:00")
    assert six.done(at("2026-11-25 12:00"), timedelta(days=400)) is None


def test_hours_that_have_nothing_in_common_never_open() -> None:
    noon = Schedule((read_hours("10:00-12:00"),), ZoneInfo("Europe/Berlin"), inside=nights())
    assert noon.opens(at("2026-11-25 00:00")) is None
    assert noon.done(at("2026-11-25 00:00"), MINUTE) is None


def test_this_machines_own_zone_is_taken_where_none_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for moment in ("2026-03-29 00:30", "2026-10-25 00:30", "2026-07-01 12:00"):
            for text in ("02:30-03:30", "22:00-06:00", "sat sun"):
                own = Schedule((read_hours(text),))
                assert own.opens(at(moment)) == nights(text).opens(at(moment))
                opens = own.opens(at(moment))
                assert opens is not None
                assert own.closes(opens) == nights(text).closes(opens)
        assert clock_of(at("2026-07-01 12:00"), None) == datetime(2026, 7, 1, 12)
    finally:
        monkeypatch.undo()
        time.tzset()
