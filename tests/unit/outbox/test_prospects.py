"""What jobs are told to expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest

from atelierd.errors import WorldFault
from atelierd.events import Event
from atelierd.ledger import Ledger
from atelierd.ledger.notices import Notice
from atelierd.ledger.rows import JobRow, NewJob, NewRender, Progress
from atelierd.ledger.states import Action, JobState, Outcome
from atelierd.notify.words import sentence
from atelierd.outbox.prospects import (
    LOOK_EVERY,
    TELL_EVERY,
    Forecaster,
    Outlooks,
    Prospect,
    Prospects,
    in_order,
    lateness,
)
from atelierd.schedule.reading import read_hours
from atelierd.schedule.timetable import NO_WISHES, Timetable, Wishes

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = Timetable(
    {"night": (read_hours("22:00-06:00"),), "short": (read_hours("00:00-06:00"),)}, BERLIN
)
HOURS = 3600.0


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026, whose 25th is a Wednesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)


class Queue:
    """A ledger with jobs of a known length, and a clock."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = berlin(25, 12)
        self.forecaster = Forecaster(ledger, NIGHTS, clock=lambda: self.now)

    def add(
        self,
        job_id: str,
        hours: float | None = 1.0,
        wishes: Wishes = NO_WISHES,
        renders: int = 1,
        priority: int = 0,
    ) -> None:
        self.ledger.add_job(
            NewJob(
                id=job_id,
                name=job_id,
                source="job.yaml",
                submitted_at=datetime(2026, 11, 25, tzinfo=UTC),
                job_file_sha256="0",
                priority=priority,
                wishes=wishes,
                renders=tuple(NewRender(str(n), "{}", 40) for n in range(renders)),
            )
        )
        if hours is not None:
            self.ledger.foretell({f"{job_id}.{n}": hours * HOURS for n in range(renders)})

    def begin(self, job_id: str, spent: float, expected: float | None = None) -> None:
        self.ledger.begin_attempt(f"{job_id}.0", 1)
        self.ledger.progress(
            f"{job_id}.0", Progress(10, 11, 1.0, spent * HOURS, 0, 0, expected and expected * HOURS)
        )

    def prospects(self) -> dict[str, Prospect]:
        unfinished = self.ledger.jobs((JobState.QUEUED, JobState.RUNNING, JobState.HELD))
        return dict(self.forecaster.prospects(unfinished))

    def words(self, job_id: str) -> str:
        return self.prospects()[job_id].words


@pytest.fixture
def queue(ledger: Ledger) -> Queue:
    return Queue(ledger)


def test_a_job_that_waits_for_the_night_says_so_and_when_it_is_done(queue: Queue) -> None:
    queue.add("a", 2)
    assert queue.words("a") == "waits until Wednesday 22:00, done Thursday 00:00"
    queue.now = berlin(25, 22)
    assert queue.words("a") == "done Thursday 00:00"


def test_a_job_that_needs_more_than_the_window_has_says_what_it_needs(queue: Queue) -> None:
    queue.add("a", 9, Wishes(window="short"))
    queue.now = berlin(26, 0)
    assert queue.words("a") == "needs 9 h, the window has 6 h: done Friday 03:00"
    queue.now = berlin(25, 12)
    assert queue.words("a") == (
        "waits until Thursday 00:00, needs 9 h, the window has 6 h: done Friday 03:00"
    )


def test_what_a_render_under_way_still_takes_is_what_its_worker_says(queue: Queue) -> None:
    queue.add("a", 2)
    queue.now = berlin(25, 22)
    queue.begin("a", spent=1, expected=4)
    assert queue.words("a") == "done Thursday 01:00"
    queue.ledger.requeue_render("a.0", Outcome.STOPPED)
    assert queue.words("a") == "done Thursday 01:00", "also when it was put back"


def test_jobs_come_one_after_the_other_with_all_their_renders(queue: Queue) -> None:
    queue.add("a", 1, renders=3)
    queue.add("b", 2)
    queue.now = berlin(25, 22)
    assert queue.words("a") == "done Thursday 01:00"
    assert queue.words("b") == "done Thursday 03:00"


def test_a_job_that_cannot_make_its_deadline_says_so_early(queue: Queue) -> None:
    queue.add("a", 9, Wishes(deadline=berlin(26, 8)))
    found = queue.prospects()["a"]
    assert found.is_late and found.words == (
        "waits until Wednesday 22:00, needs 9 h, the window has 8 h: done Thursday 23:00; "
        "too late: it is wanted by Thursday 08:00"
    )


def test_a_deadline_that_is_made_is_told_and_one_that_is_missed_too(queue: Queue) -> None:
    queue.add("a", 2, Wishes(deadline=berlin(26, 8)))
    assert queue.words("a").endswith("done Thursday 00:00; wanted by Thursday 08:00")
    assert not queue.prospects()["a"].is_late
    queue.now = berlin(26, 22)
    found = queue.prospects()["a"]
    assert found.is_late
    assert found.words == "done Friday 00:00; too late: it was wanted by Thursday 08:00"


def test_one_that_was_done_after_its_deadline_says_by_how_much(queue: Queue) -> None:
    queue.add("a", 2, Wishes(deadline=berlin(26, 8)))
    job = queue.ledger.job_by_id("a")
    assert lateness(job) == ""
    assert lateness(replace(job, finished_at=berlin(26, 7))) == ""
    assert lateness(replace(job, finished_at=berlin(26, 10, 30))) == (
        "2 h 30 min after its deadline"
    )


def test_one_of_which_nobody_knows_how_long_it_takes_says_only_when_it_begins(
    queue: Queue,
) -> None:
    queue.add("a", None, Wishes(not_before=berlin(27, 23)))
    assert queue.words("a") == "waits until Friday 23:00"
    queue.now = berlin(27, 23)
    assert queue.words("a") == ""


def test_hours_that_a_new_configuration_leaves_nothing_of_are_told(queue: Queue) -> None:
    queue.add("a", 1, Wishes(window="10:00-12:00"))
    assert queue.words("a").startswith("waits, for window 10:00-12:00 and the daemon's windows")
    assert queue.prospects()["a"].waits


def test_a_job_whose_hours_never_come_is_late_for_its_deadline(queue: Queue) -> None:
    queue.add("a", 1, Wishes(window="12:00-13:00", deadline=berlin(27, 12)))
    outlooks = Outlooks(queue.forecaster, lambda: 0.0)
    outlooks.look(queue.ledger.jobs((JobState.QUEUED,)))
    found = outlooks.prospects["a"]
    assert found.is_late and found.waits
    assert found.words.endswith("nothing in common; too late: it is wanted by Friday 12:00")
    notice = queue.ledger.notices.next(0)
    assert notice is not None and notice.event is Event.LATE


def test_the_order_is_the_dispatchers(queue: Queue) -> None:
    queue.add("old")
    queue.add("wanted", wishes=Wishes(deadline=berlin(26, 8)))
    queue.add("urgent", priority=3)
    queue.add("running")
    queue.begin("running", 0.1)
    jobs = in_order(queue.ledger.jobs())
    assert [job.id for job in jobs] == ["urgent", "running", "wanted", "old"]


def test_a_page_is_not_written_for_every_minute_by_which_a_forecast_moves(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = [0.0]
    outlooks = Outlooks(queue.forecaster, lambda: seconds[0])

    def look(after: timedelta) -> list[str]:
        seconds[0] += after.total_seconds()
        return outlooks.look(queue.ledger.jobs((JobState.QUEUED,)))

    queue.add("a", 2, Wishes(deadline=berlin(26, 3)))
    assert look(LOOK_EVERY) == ["a"]
    assert outlooks.words(queue.ledger.job_by_id("a")).startswith("waits until")
    assert look(LOOK_EVERY) == []
    queue.now = berlin(25, 22)
    assert look(LOOK_EVERY) == ["a"], "it waits no more"
    outlooks.words(queue.ledger.job_by_id("a"))
    queue.now = berlin(25, 22, 30)
    assert look(LOOK_EVERY) == [] and look(TELL_EVERY) == ["a"]
    outlooks.words(queue.ledger.job_by_id("a"))
    queue.now = berlin(26, 2)
    assert look(LOOK_EVERY) == ["a"], "it comes too late now"
    assert caplog.text.count("too late: it is wanted by Thursday 03:00") == 1
    look(LOOK_EVERY)
    assert caplog.text.count("too late") == 1


def test_that_a_job_is_late_is_told_once_for_each_try(queue: Queue) -> None:
    box = queue.ledger.notices
    box.enroll(["anna"])

    def look_anew() -> list[Notice]:
        """As a daemon that has just been started does; give what it tells that was not told."""
        Outlooks(queue.forecaster, lambda: 0.0).look(queue.ledger.jobs((JobState.QUEUED,)))
        told = []
        while (notice := box.next(box.join("anna"))) is not None:
            box.passed("anna", notice.id)
            told.append(notice)
        return told

    queue.add("a", 9, Wishes(deadline=berlin(26, 8)))
    queue.add("in time", 1, Wishes(deadline=berlin(30, 8)))
    (notice,) = look_anew()
    assert notice.event is Event.LATE and notice.facts["job"] == "a"
    assert notice.facts["deadline"] == "2026-11-26T07:00:00+00:00"
    assert notice.facts["expected_end"] == "2026-11-26T22:00:00+00:00"
    assert sentence(notice) == (
        "a: waits until Wednesday 22:00, needs 9 h, the window has 8 h: done Thursday 23:00; "
        "too late: it is wanted by Thursday 08:00"
    )
    assert look_anew() == [], "a restart tells it no second time"
    queue.ledger.act(Action.CANCEL, "a")
    queue.ledger.act(Action.RETRY, "a")
    (notice,) = look_anew()
    assert notice.event is Event.LATE, "it was forgotten when the job had ended"


def test_late_is_told_when_the_ledger_can_be_written_again(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    outlooks = Outlooks(queue.forecaster, lambda: seconds[0])
    queue.ledger.notices.enroll(["anna"])
    queue.add("a", 9, Wishes(deadline=berlin(26, 8)))
    with monkeypatch.context() as patched:
        full = WorldFault("the disk is full")
        patched.setattr(queue.forecaster, "tell_late", Mock(side_effect=full))
        with pytest.raises(WorldFault):
            outlooks.look(queue.ledger.jobs((JobState.QUEUED,)))
    seconds[0] += 60
    outlooks.look(queue.ledger.jobs((JobState.QUEUED,)))
    notice = queue.ledger.notices.next(queue.ledger.notices.join("anna"))
    assert notice is not None and notice.event is Event.LATE


def test_a_long_queue_that_changes_all_the_time_is_not_looked_at_all_the_time(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    outlooks = Outlooks(queue.forecaster, lambda: seconds[0])
    asked: list[int] = []
    real = queue.forecaster.prospects

    def slow(unfinished: Sequence[JobRow]) -> Prospects:
        asked.append(len(unfinished))
        seconds[0] += 0.2
        return real(unfinished)

    monkeypatch.setattr(queue.forecaster, "prospects", slow)
    for number in range(40):
        queue.add(f"j{number}")
        outlooks.look(queue.ledger.jobs((JobState.QUEUED,)))
        seconds[0] += 1.0
    assert len(asked) == 2, "0.2 s are a hundredth of 20 s"


def test_without_a_forecaster_nothing_is_said(queue: Queue) -> None:
    queue.add("a")
    outlooks = Outlooks(None, lambda: 0.0)
    assert outlooks.look(queue.ledger.jobs()) == [] and not outlooks.prospects
    assert outlooks.words(queue.ledger.job_by_id("a")) == ""
