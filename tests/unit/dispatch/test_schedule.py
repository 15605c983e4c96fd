"""Renders begin and go on only in their hours, and are saved when those are over (rule 22)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atelierd.dispatch.order import next_render
from atelierd.dispatch.rota import Rota
from atelierd.errors import NodeFault, WorldFault
from atelierd.ledger.rows import RunnableRender
from atelierd.ledger.states import Action
from atelierd.schedule.reading import read_hours
from atelierd.schedule.timetable import NO_WISHES, Timetable, Wishes

Bench = Any

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = Timetable(
    {"night": (read_hours("22:00-06:00"),), "weekend": (read_hours("sat sun"),)}, BERLIN
)


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026, whose 25th is a Wednesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(bench: Bench) -> Clock:
    """The wall clock of a bench that works at night, on Wednesday at noon."""
    clock = Clock(berlin(25, 12))
    bench.rota = Rota(NIGHTS, clock)
    bench.start_anew()
    return clock


def test_rule_22_nothing_begins_before_the_window_opens(bench: Bench, clock: Clock) -> None:
    bench.add("a")
    bench.turn()
    assert not bench.dispatcher.working and bench.dispatcher.fault is None
    clock.now = berlin(25, 22)
    bench.turn()
    assert bench.order.render_id == "a.0"


def test_rule_22_a_render_stops_with_its_window_at_a_checkpoint(bench: Bench, clock: Clock) -> None:
    bench.add("a")
    clock.now = berlin(26, 5, 59)
    bench.turn()
    bench.end(bench.report(5))
    assert bench.order.seconds > 0, "there is time for another segment"
    clock.now = berlin(26, 6)
    bench.end(bench.report(9))
    assert bench.order.seconds == 0 and bench.dispatcher.working, "it is being saved"
    bench.end(bench.report(9, saved=True))
    assert not bench.dispatcher.working
    assert bench.state_of("a") == "queued" and bench.render("a").iteration == 9
    orders = len(bench.worker.orders)
    for _ in range(3):
        bench.turn(60)
    assert len(bench.worker.orders) == orders, "nothing happens until the next night"
    clock.now = berlin(26, 22)
    bench.turn()
    bench.end(bench.finished())
    assert bench.state_of("a") == "done" and bench.render("a").attempts <= 1


def test_the_device_is_given_back_outside_the_hours(bench: Bench, clock: Clock) -> None:
    bench.add("a")
    clock.now = berlin(26, 5, 57)
    bench.turn()
    bench.end(bench.finished())
    assert bench.worker.is_up and not bench.worker.rests, "another job may come"
    clock.now = berlin(26, 6)
    bench.turn()
    assert bench.worker.rests == 1 and not bench.worker.is_up
    bench.turn(60)
    assert bench.worker.rests == 1
    clock.now = berlin(26, 22)
    bench.add("b")
    bench.turn()
    assert bench.worker.is_up and bench.order.render_id == "b.0"


def test_it_is_not_given_back_for_a_few_minutes(bench: Bench, clock: Clock) -> None:
    bench.worker.start()
    clock.now = berlin(25, 21, 56)
    bench.turn()
    assert bench.worker.is_up, "it would only be loaded anew"


def put_aside_unsaved(bench: Bench, clock: Clock) -> None:
    """Have the worker hold a render in its memory alone, for its job is held."""
    bench.add("a")
    clock.now = berlin(25, 23)
    bench.turn()
    bench.plan.work("a.0").mkdir(parents=True)
    bench.ledger.act(Action.HOLD, "a")
    bench.end(bench.report(7))


@pytest.mark.parametrize("fault", [None, NodeFault("it died"), WorldFault("the disk is full")])
def test_what_is_in_memory_alone_is_saved_before_the_device_is_given_back(
    bench: Bench, clock: Clock, fault: Exception | None
) -> None:
    put_aside_unsaved(bench, clock)
    assert bench.worker.is_up and not bench.dispatcher.working
    clock.now = berlin(26, 7)
    bench.turn()
    assert bench.order.seconds == 0 and not bench.worker.rests, "a checkpoint is being written"
    bench.turn()
    assert not bench.worker.rests
    bench.end(fault or bench.report(7, saved=True))
    if fault is None:
        assert bench.worker.rests == 1
    elif isinstance(fault, NodeFault):
        assert bench.worker.replaced == ["it died"]
    else:
        assert bench.worker.is_up and bench.dispatcher.fault == "the disk is full"
        bench.turn(60)
        bench.end(bench.report(7, saved=True))
        assert bench.worker.rests == 1 and bench.dispatcher.fault is None


def test_a_checkpoint_that_cannot_be_written_is_tried_again_more_and_more_seldom(
    bench: Bench, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    put_aside_unsaved(bench, clock)
    bench.ledger.act(Action.RELEASE, "a")
    clock.now = berlin(26, 7)
    orders = len(bench.worker.orders)
    for _ in range(300):
        bench.turn(1.0)
        if not bench.worker.futures[-1].done():
            bench.come_to(WorldFault("the disk reports an error"))
    assert 5 < len(bench.worker.orders) - orders < 12
    assert caplog.text.count("the queue waits") == 1
    bench.turn(60)
    bench.end(bench.report(7, saved=True))
    assert bench.worker.rests == 1 and bench.dispatcher.fault is None


def test_a_window_that_opens_while_a_checkpoint_is_written_keeps_the_worker(
    bench: Bench, clock: Clock
) -> None:
    put_aside_unsaved(bench, clock)
    clock.now = berlin(26, 7)
    bench.turn()
    bench.ledger.act(Action.RELEASE, "a")
    clock.now = berlin(26, 22)
    bench.turn()
    assert bench.order.seconds > 0 and not bench.worker.rests
    bench.end(bench.finished())
    assert bench.state_of("a") == "done" and bench.worker.is_up


def test_what_is_on_the_disk_already_is_not_saved_again(bench: Bench, clock: Clock) -> None:
    bench.add("a")
    clock.now = berlin(25, 23)
    bench.turn()
    clock.now = berlin(26, 7)
    bench.end(bench.report(9, saved=True))
    assert not bench.dispatcher.working and all(one.seconds for one in bench.worker.orders)


def test_a_render_that_ends_with_its_window_is_published(bench: Bench, clock: Clock) -> None:
    bench.add("a")
    bench.add("b")
    clock.now = berlin(25, 23)
    bench.turn()
    clock.now = berlin(26, 7)
    bench.end(bench.finished())
    assert bench.state_of("a") == "done" and bench.state_of("b") == "queued"
    assert not bench.dispatcher.working


@given(
    moments=st.lists(st.integers(0, 4 * 24 * 60), min_size=1, max_size=12),
    restarts=st.lists(st.booleans(), min_size=12, max_size=12),
)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_rule_22_restarts_change_nothing(
    bench: Bench, clock: Clock, moments: list[int], restarts: list[bool]
) -> None:
    if not bench.ledger.jobs():
        bench.add("a")
    bench.start_anew()
    for minutes, restart in zip(moments, restarts, strict=False):
        clock.now = berlin(25, 12) + timedelta(minutes=minutes)
        if restart:
            bench.rota = Rota(NIGHTS, clock)
            bench.start_anew()
        bench.turn()
        if bench.dispatcher.working:
            bench.end(bench.report(5, saved=True))
        # Whatever was asked before, and by which daemon.
        assert bool(bench.dispatcher.working) == NIGHTS.whole.is_open(clock.now)


def test_not_before_and_a_window_of_its_own_hold_for_one_job_alone(
    bench: Bench, clock: Clock
) -> None:
    bench.add("late", wishes=Wishes(not_before=berlin(26, 1)))
    bench.add("weekend", wishes=Wishes(window="weekend"))
    bench.add("own", wishes=Wishes(window="03:00-05:00"))
    bench.add("any")
    clock.now = berlin(25, 22)
    bench.turn()
    assert bench.order.render_id == "any.0"
    bench.end(bench.finished())
    assert not bench.dispatcher.working
    clock.now = berlin(26, 1)
    bench.turn()
    assert bench.order.render_id == "late.0"
    clock.now = berlin(26, 3)
    bench.end(bench.finished())
    assert bench.order.render_id == "own.0"
    bench.end(bench.finished())
    clock.now = berlin(28, 12)
    bench.turn()
    assert bench.order.render_id == "weekend.0"


def test_one_whose_hours_are_over_makes_room_for_others(bench: Bench, clock: Clock) -> None:
    bench.add("early", wishes=Wishes(window="22:00-23:00"))
    bench.add("any")
    clock.now = berlin(25, 22)
    bench.turn()
    clock.now = berlin(25, 23)
    bench.end(bench.report(5, saved=True))
    assert bench.order.render_id == "any.0" and bench.state_of("early") == "queued"


def test_a_more_urgent_job_takes_the_device_only_in_its_hours(bench: Bench, clock: Clock) -> None:
    bench.add("long")
    bench.add("urgent", priority=9, wishes=Wishes(not_before=berlin(26, 1)))
    clock.now = berlin(25, 22)
    bench.turn()
    bench.end(bench.report(5))
    assert bench.order.render_id == "long.0"
    clock.now = berlin(26, 1)
    bench.end(bench.report(9))
    assert bench.order.render_id == "urgent.0"


def test_among_equals_the_earliest_deadline_comes_first_also_a_missed_one(
    bench: Bench, clock: Clock
) -> None:
    clock.now = berlin(25, 23)
    bench.add("none")
    bench.add("later", wishes=Wishes(deadline=berlin(27, 8)))
    bench.add("sooner", wishes=Wishes(deadline=berlin(26, 8)))
    bench.add("missed", wishes=Wishes(deadline=berlin(24, 8)))
    bench.add("urgent", priority=1)
    begun = []
    bench.turn()
    for _ in range(5):
        begun.append(bench.order.render_id)
        bench.end(bench.finished())
    assert begun == ["urgent.0", "missed.0", "sooner.0", "later.0", "none.0"]


def test_the_rota_says_what_waits_and_until_when(bench: Bench, clock: Clock) -> None:
    assert bench.rota.resting(bench.ledger.runnable()) is None, "nothing waits"
    bench.add("a")
    resting = bench.rota.resting(bench.ledger.runnable())
    assert resting.words == "1 job waits for its hours, until Wednesday 25 November 22:00"
    assert resting.until == berlin(25, 22)
    bench.add("b", wishes=Wishes(window="weekend"))
    resting = bench.rota.resting(bench.ledger.runnable())
    assert resting.words.startswith("2 jobs wait for their hours, the first until Wednesday 25 N")
    clock.now = berlin(25, 22)
    assert bench.rota.resting(bench.ledger.runnable()) is None


def test_a_clock_that_is_set_back_is_asked_again(clock: Clock, bench: Bench) -> None:
    clock.now = berlin(25, 23)
    assert bench.rota.is_open(NO_WISHES)
    clock.now = berlin(25, 12)
    assert not bench.rota.is_open(NO_WISHES)
    clock.now = berlin(25, 23)
    assert bench.rota.is_open(NO_WISHES)


@pytest.fixture
def previews(bench: Bench) -> Bench:
    bench.rota = Rota(previews_first=True)
    bench.start_anew()
    return bench


def test_previews_first_gives_every_job_its_draft_before_a_long_render_goes_on(
    previews: Bench,
) -> None:
    for name in "abc":
        previews.add(name)
    begun = []
    previews.turn()
    for name in "abc":
        begun.append(previews.order.render_id)
        assert previews.order.draft
        previews.end(previews.report(5))
        assert previews.order.render_id == f"{name}.0" and previews.order.draft
        previews.end(previews.report(10, drafted=True))
    assert begun == ["a.0", "b.0", "c.0"]
    # All have theirs: the last one may as well go on.
    assert previews.order.render_id == "c.0" and not previews.order.draft
    previews.end(previews.finished())
    assert previews.order.render_id == "a.0" and not previews.order.draft


def test_a_job_that_comes_later_gets_its_preview_at_once(previews: Bench) -> None:
    previews.add("long", priority=5)
    previews.turn()
    previews.end(previews.report(10, drafted=True))
    previews.end(previews.report(20, drafted=True))
    assert previews.order.render_id == "long.0"
    previews.add("new")
    previews.end(previews.report(22, drafted=True))
    assert previews.order.render_id == "new.0" and previews.order.draft
    previews.end(previews.report(10, drafted=True))
    assert previews.order.render_id == "long.0", "the more urgent one goes on"


def test_one_draft_stands_for_all_renders_of_a_job(previews: Bench) -> None:
    previews.add("many", renders=3)
    previews.turn()
    previews.end(previews.report(10, drafted=True))
    assert previews.order.render_id == "many.0" and not previews.order.draft
    previews.end(previews.finished())
    assert previews.order.render_id == "many.1" and not previews.order.draft
    previews.add("new")
    previews.end(previews.report(5))
    assert previews.order.render_id == "new.0", "also from a render that has no draft of its own"


def test_drafts_survive_a_restart(previews: Bench) -> None:
    previews.add("a")
    previews.add("b")
    previews.turn()
    previews.end(previews.report(10, drafted=True))
    previews.start_anew()
    previews.turn()
    assert previews.order.render_id == "b.0"


def row(name: str, **facts: Any) -> RunnableRender:
    values: dict[str, Any] = {
        "render_id": f"{name}.0",
        "job_id": name,
        "index": 0,
        "sequence": 1,
        "priority": 0,
        "source": "job.yaml",
        "iteration": 0,
    }
    return RunnableRender(**values | facts)


def test_what_has_been_begun_yields_to_what_is_wanted_earlier() -> None:
    begun = row("begun", iteration=5)
    wanted = row("wanted", sequence=2, wishes=Wishes(deadline=berlin(26, 8)))
    assert next_render([begun, wanted], {}) is wanted
    assert next_render([begun, row("new")], {}) is begun
