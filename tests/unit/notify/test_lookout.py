from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atelierd.events import Event
from atelierd.ledger import Ledger
from atelierd.ledger.notices import NoticeBox
from atelierd.notify.lookout import QUIET, Lookout

AFTER = timedelta(minutes=1)
GONE = ("the share is gone",)


class Time:
    """A clock of both kinds that goes when it is told to."""

    def __init__(self) -> None:
        # The wall clock is the real one, by which the ledger writes down when jobs finish.
        self.start = datetime.now(UTC)
        self.passed = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def wall(self) -> datetime:
        return self.start + timedelta(seconds=self.passed)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def lookout(box: NoticeBox, time: Time) -> Lookout:
    return make(box, time)


def make(box: NoticeBox, time: Time) -> Lookout:
    return Lookout(box, AFTER, time.monotonic, time.wall)


@pytest.fixture
def told(box: NoticeBox) -> Callable[[], list[tuple[Event, dict[str, Any]]]]:
    after = 0

    def new() -> list[tuple[Event, dict[str, Any]]]:
        nonlocal after
        found = []
        while (notice := box.next(after)) is not None:
            found.append((notice.event, dict(notice.facts)))
            after = notice.id
        return found

    return new


Told = Callable[[], list[tuple[Event, dict[str, Any]]]]
Queue = Callable[[str], str]


def go(lookout: Lookout, time: Time, seconds: float) -> None:
    """Look each second for so long."""
    for _ in range(round(seconds)):
        time.passed += 1
        lookout.look()


def finish(ledger: Ledger, *renders: str) -> None:
    for render in renders:
        ledger.begin_attempt(render, 1)
        ledger.finish_render(render)


def test_a_share_that_is_gone_for_a_while_is_told_once(
    lookout: Lookout, time: Time, told: Told
) -> None:
    lookout.see(GONE)
    go(lookout, time, 60)
    assert told() == []
    go(lookout, time, 3600)
    ((event, facts),) = told()
    assert event is Event.OFFLINE and facts["trouble"] == list(GONE)
    gone = datetime.fromisoformat(facts["since"]) - time.start
    assert gone.total_seconds() == pytest.approx(1, abs=1.5)


def test_a_short_absence_is_not_told(lookout: Lookout, time: Time, told: Told) -> None:
    for _ in range(5):
        lookout.see(GONE)
        go(lookout, time, 55)
        lookout.see(())
        go(lookout, time, 10)
    assert told() == []


def test_that_it_is_back_is_told_with_how_long_it_was_gone(
    lookout: Lookout, time: Time, told: Told
) -> None:
    lookout.see(GONE)
    go(lookout, time, 600)
    told()
    lookout.see(())
    go(lookout, time, 60)
    ((event, facts),) = told()
    assert event is Event.BACK
    assert facts["seconds"] == pytest.approx(600, abs=2)


def test_a_share_that_comes_and_goes_is_not_back(lookout: Lookout, time: Time, told: Told) -> None:
    lookout.see(GONE)
    go(lookout, time, 100)
    told()
    for _ in range(10):
        lookout.see(())
        go(lookout, time, QUIET.total_seconds() - 1)
        lookout.see(GONE)
        go(lookout, time, 3)
    assert told() == []


def test_a_restart_does_not_tell_again_that_the_share_is_gone(
    box: NoticeBox, time: Time, told: Told
) -> None:
    before = make(box, time)
    before.see(GONE)
    go(before, time, 100)
    told()
    after = make(box, time)
    # As at every start: for a moment nothing is known to be wrong.
    time.passed += 2
    after.look()
    after.see(GONE)
    go(after, time, 600)
    assert told() == []
    after.see(())
    go(after, time, 10)
    assert [event for event, _ in told()] == [Event.BACK]


def test_a_share_that_came_back_while_the_daemon_was_down_is_told(
    box: NoticeBox, time: Time, told: Told
) -> None:
    before = make(box, time)
    before.see(GONE)
    go(before, time, 100)
    told()
    go(make(box, time), time, 10)
    assert [event for event, _ in told()] == [Event.BACK]


def test_an_empty_queue_is_told_once_with_what_was_done(
    lookout: Lookout, time: Time, told: Told, ledger: Ledger, queue: Queue
) -> None:
    go(lookout, time, 100)
    assert told() == [], "it was empty all along"
    renders = [queue("a"), queue("b")]
    go(lookout, time, 1)
    finish(ledger, renders[0])
    go(lookout, time, 100)
    assert [event for event, _ in told()] == [Event.DONE]
    finish(ledger, renders[1])
    go(lookout, time, 100)
    events = told()
    assert [event for event, _ in events] == [Event.DONE, Event.EMPTY]
    assert events[1][1]["jobs"] == {"done": 2}


def test_jobs_that_come_one_after_the_other_are_one_batch(
    lookout: Lookout, time: Time, told: Told, ledger: Ledger, queue: Queue
) -> None:
    for name in "abc":
        render = queue(name)
        go(lookout, time, 1)
        finish(ledger, render)
        go(lookout, time, QUIET.total_seconds() - 1)
    assert Event.EMPTY not in [event for event, _ in told()]
    go(lookout, time, QUIET.total_seconds() + 1)
    assert Event.EMPTY in [event for event, _ in told()]


def test_a_queue_that_ran_empty_just_before_a_kill_is_told_by_the_next_start(
    box: NoticeBox, time: Time, told: Told, ledger: Ledger, queue: Queue
) -> None:
    render = queue("a")
    finish(ledger, render)
    told()
    go(make(box, time), time, 10)
    assert [event for event, _ in told()] == [Event.EMPTY]
    go(make(box, time), time, 10)
    assert told() == []


def test_a_held_job_does_not_count_as_queued(
    lookout: Lookout, time: Time, told: Told, ledger: Ledger, queue: Queue
) -> None:
    queue("a")
    go(lookout, time, 1)
    ledger.hold_job("a")
    go(lookout, time, 10)
    assert [event for event, _ in told()] == [Event.EMPTY]


def test_the_last_look_waits_for_nothing(
    lookout: Lookout, time: Time, told: Told, ledger: Ledger, queue: Queue
) -> None:
    render = queue("a")
    lookout.look()
    finish(ledger, render)
    lookout.see(GONE)
    lookout.look(last=True)
    assert {event for event, _ in told()} == {Event.DONE, Event.EMPTY, Event.OFFLINE}
