"""Notices are born with what they tell of, and kept until every receiver has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atelierd.errors import WorldFault
from atelierd.events import Event
from atelierd.ledger import Ledger, notices, schema
from atelierd.ledger.notices import Notice, NoticeBox
from atelierd.ledger.rows import NewJob
from atelierd.ledger.states import Outcome

MakeJob = Callable[..., NewJob]


@pytest.fixture
def box(ledger: Ledger, path: Path) -> Iterator[NoticeBox]:
    box = NoticeBox.open(path)
    yield box
    box.close()


def told(box: NoticeBox, after: int = 0) -> list[Notice]:
    found = []
    while (notice := box.next(after)) is not None:
        found.append(notice)
        after = notice.id
    return found


def finish(ledger: Ledger, render: str) -> None:
    ledger.begin_attempt(render, 1)
    ledger.finish_render(render)


def test_a_job_is_told_once_when_its_last_render_is_done(
    ledger: Ledger, box: NoticeBox, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1", renders=2))
    finish(ledger, "a1.0")
    assert told(box) == []
    finish(ledger, "a1.1")
    (notice,) = told(box)
    assert notice.event is Event.DONE
    assert notice.facts["job"] == "skyline" and notice.facts["renders"] == {"done": 2}
    assert notice.facts["finished"] is not None
    # As the dispatcher does where a restart finds it recorded already.
    ledger.finish_render("a1.1")
    assert len(told(box)) == 1


def test_a_job_is_told_as_failed_each_time_that_it_fails(
    ledger: Ledger, box: NoticeBox, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    for reason in ("no", "still no"):
        ledger.begin_attempt("a1.0", 1)
        ledger.fail_render("a1.0", reason, Outcome.JOB_FAULT)
        ledger.retry_job("a1")
    assert [(one.event, one.facts["reason"]) for one in told(box)] == [
        (Event.FAILED, "no"),
        (Event.FAILED, "still no"),
    ]


def test_a_refused_job_file_is_told_with_its_reason(
    ledger: Ledger, box: NoticeBox, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1", renders=0, failure="line 3: size"))
    ledger.add_job(new_job("a1", renders=0, failure="line 3: size"))
    (notice,) = told(box)
    assert notice.event is Event.FAILED
    assert notice.facts["reason"] == "line 3: size" and notice.facts["renders"] == {}


def test_what_people_do_themselves_is_not_told_to_them(
    ledger: Ledger, box: NoticeBox, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.hold_job("a1")
    ledger.cancel_job("a1")
    assert told(box) == []


def test_a_change_that_is_undone_is_not_told(
    ledger: Ledger, box: NoticeBox, new_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)

    def full(name: str) -> None:
        if name == "ledger.written":
            raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr("atelierd.ledger.connection.failpoint", full)
    with pytest.raises(sqlite3.OperationalError):
        ledger.finish_render("a1.0")
    assert told(box) == []


def test_every_notice_has_an_id_of_its_own(ledger: Ledger, box: NoticeBox) -> None:
    for _ in range(3):
        box.happened(Event.BACK, {}, {})
    assert len({notice.uid for notice in told(box)}) == 3


def test_a_new_receiver_gets_what_happens_from_now_on(ledger: Ledger, box: NoticeBox) -> None:
    box.enroll(["old"])
    box.happened(Event.OFFLINE, {}, {})
    box.enroll(["old", "new"])
    box.happened(Event.BACK, {}, {})
    assert [n.event for n in told(box, box.join("new"))] == [Event.BACK]
    assert [n.event for n in told(box, box.join("old"))] == [Event.OFFLINE, Event.BACK]
    assert box.waiting() == {"old": 2, "new": 1}


def test_a_receiver_joins_by_itself_where_it_could_not_be_enrolled(
    ledger: Ledger, box: NoticeBox
) -> None:
    box.happened(Event.OFFLINE, {}, {})
    assert box.join("late") == 1
    box.happened(Event.BACK, {}, {})
    assert [n.event for n in told(box, box.join("late"))] == [Event.BACK]
    assert box.waiting() == {"late": 1}


def test_enrolling_again_keeps_everybodys_place(ledger: Ledger, box: NoticeBox) -> None:
    box.enroll(["a"])
    box.happened(Event.OFFLINE, {}, {})
    box.happened(Event.BACK, {}, {})
    box.passed("a", 1)
    box.enroll(["a"])
    assert box.join("a") == 1


def test_a_notice_is_thrown_away_when_the_last_receiver_has_it(
    ledger: Ledger, box: NoticeBox
) -> None:
    box.enroll(["a", "b"])
    box.happened(Event.OFFLINE, {}, {})
    box.passed("a", 1)
    assert len(told(box)) == 1
    box.passed("b", 1)
    assert told(box) == []
    box.happened(Event.BACK, {}, {})
    assert told(box)[0].id == 2, "numbers are never used again"


def test_a_cursor_never_moves_back(ledger: Ledger, box: NoticeBox) -> None:
    box.enroll(["a"])
    box.passed("a", 5)
    box.passed("a", 3)
    assert box.join("a") == 5


def test_a_queue_that_fills_is_noted_once_until_it_is_told_to_be_empty(
    ledger: Ledger, box: NoticeBox, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a0", renders=0, failure="no"))
    assert box.mark(notices.FILLED) is None, "a refused job never waits in the queue"
    ledger.add_job(new_job("a1"))
    first = box.mark(notices.FILLED)
    ledger.add_job(new_job("a2"))
    assert box.mark(notices.FILLED) == first is not None
    box.happened(Event.EMPTY, {}, {notices.FILLED: None})
    ledger.cancel_job("a1")
    assert box.mark(notices.FILLED) is None
    ledger.retry_job("a1")
    assert box.mark(notices.FILLED) is not None


def test_what_ran_empty_while_nobody_listened_is_no_news(
    ledger: Ledger, box: NoticeBox, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    box.enroll(["a"])
    assert box.mark(notices.FILLED) is not None, "there is still something to wait for"
    box.enroll([])
    ledger.cancel_job("a1")
    box.enroll(["a"])
    assert box.mark(notices.FILLED) is None


def test_what_only_a_receiver_that_is_gone_was_to_get_is_thrown_away(
    ledger: Ledger, box: NoticeBox
) -> None:
    box.enroll(["a", "b"])
    box.happened(Event.OFFLINE, {}, {})
    box.passed("a", 1)
    box.enroll(["a"])
    assert told(box) == []
    box.happened(Event.BACK, {}, {})
    box.enroll([])
    assert told(box) == []


def test_a_receiver_that_is_gone_for_good_does_not_fill_the_disk(
    ledger: Ledger, box: NoticeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MOST_KEPT", 3)
    box.enroll(["a"])
    for _ in range(7):
        box.happened(Event.BACK, {}, {})
    assert [notice.id for notice in told(box)] == [5, 6, 7]


def test_a_mark_is_set_with_its_notice_or_not_at_all(
    ledger: Ledger, box: NoticeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.happened(Event.OFFLINE, {}, {"gone": "since ten"})
    assert box.mark("gone") == "since ten"

    def full(name: str) -> None:
        raise sqlite3.OperationalError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr("atelierd.ledger.connection.failpoint", full)
        with pytest.raises(sqlite3.OperationalError):
            box.happened(Event.BACK, {}, {"gone": None})
    assert box.mark("gone") == "since ten" and len(told(box)) == 1
    box.set_mark("gone", None)
    assert box.mark("gone") is None


def test_a_ledger_of_the_time_before_notices_is_brought_up_to_date(
    path: Path, new_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        Ledger.open(path).close()
    ledger = Ledger.open(path)
    ledger.add_job(new_job("a1", renders=0, failure="no"))
    assert ledger.notices.next(0) is not None
    ledger.close()


def test_a_ledger_that_cannot_be_written_is_a_fault_of_the_world(
    path: Path, ledger: Ledger, new_job: MakeJob
) -> None:
    reader = Ledger.open(path, read_only=True)
    with pytest.raises(WorldFault, match="cannot be written"):
        reader.notices.happened(Event.BACK, {}, {})
    reader.close()
