from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.notify.servers import PATIENCE

from atelierd.errors import WorldFault
from atelierd.events import Event
from atelierd.ledger import notices
from atelierd.ledger.notices import Notice, NoticeBox
from atelierd.notify.courier import (
    FIRST_PAUSE,
    LAST_PAUSE,
    LOOK_EVERY,
    Courier,
    CourierThread,
    pause_after,
)
from atelierd.notify.receiver import RefusedError, UnreachableError

pytestmark = pytest.mark.usefixtures("ledger")


class Friend:
    """A receiver that does what it is told: each entry of `moods` is what sending comes to."""

    name, label = "friend", "a friend"

    def __init__(self) -> None:
        self.events: tuple[Event, ...] = tuple(Event)
        self.moods: list[Exception | None] = []
        self.got: list[Notice] = []

    def send(self, notice: Notice) -> None:
        mood = self.moods.pop(0) if self.moods else None
        if mood is not None:
            raise mood
        self.got.append(notice)


@pytest.fixture
def friend(box: NoticeBox) -> Friend:
    box.enroll(["friend"])
    return Friend()


def courier(
    friend: Friend, box: NoticeBox, give_up_after: timedelta = timedelta(days=2)
) -> Courier:
    return Courier(friend, box, give_up_after)


def tell(box: NoticeBox, *events: Event) -> None:
    for event in events:
        box.happened(event, {}, {})


def run(courier: Courier) -> timedelta:
    """Let it work until it rests; return for how long."""
    while not (rest := courier.turn()):
        pass
    return rest


def test_notices_are_brought_in_their_order(friend: Friend, box: NoticeBox) -> None:
    tell(box, Event.OFFLINE, Event.BACK, Event.EMPTY)
    assert run(courier(friend, box)) == LOOK_EVERY
    assert [notice.event for notice in friend.got] == [Event.OFFLINE, Event.BACK, Event.EMPTY]
    assert box.next(0) is None


def test_only_what_it_wants_to_hear_of_is_brought(friend: Friend, box: NoticeBox) -> None:
    friend.events = (Event.FAILED, Event.BACK)
    tell(box, Event.OFFLINE, Event.BACK, Event.EMPTY)
    run(courier(friend, box))
    assert [notice.event for notice in friend.got] == [Event.BACK]
    assert box.next(0) is None, "what nobody wants is not kept"


def test_a_receiver_that_fails_gets_the_same_notice_again_later(
    friend: Friend, box: NoticeBox
) -> None:
    tell(box, Event.OFFLINE, Event.BACK)
    friend.moods = [UnreachableError("no"), UnreachableError("no")]
    one = courier(friend, box)
    assert run(one) == FIRST_PAUSE
    assert run(one) == 2 * FIRST_PAUSE
    assert run(one) == LOOK_EVERY
    assert [notice.event for notice in friend.got] == [Event.OFFLINE, Event.BACK]
    friend.moods = [UnreachableError("no")]
    tell(box, Event.EMPTY)
    assert run(one) == FIRST_PAUSE, "a success begins anew"


def test_the_pauses_grow_and_have_a_limit() -> None:
    pauses = [pause_after(failures) for failures in range(1, 12)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pause_after(10**6) == LAST_PAUSE


def test_what_is_refused_is_dropped_and_the_rest_is_brought(
    friend: Friend, box: NoticeBox, caplog: pytest.LogCaptureFixture
) -> None:
    tell(box, Event.OFFLINE, Event.BACK)
    friend.moods = [RefusedError("it answers 422")]
    run(courier(friend, box))
    assert [notice.event for notice in friend.got] == [Event.BACK]
    assert "is not brought to a friend: it answers 422" in caplog.text


def test_what_is_too_old_is_dropped(
    friend: Friend, box: NoticeBox, caplog: pytest.LogCaptureFixture
) -> None:
    tell(box, Event.OFFLINE)
    run(courier(friend, box, give_up_after=timedelta(microseconds=1)))
    assert friend.got == []
    assert "it is too old by now" in caplog.text


def test_what_a_receiver_has_is_not_brought_by_the_next_process(
    friend: Friend, box: NoticeBox
) -> None:
    tell(box, Event.OFFLINE, Event.BACK)
    friend.moods = [None, UnreachableError("no")]
    run(courier(friend, box))
    run(courier(friend, box))
    assert [notice.event for notice in friend.got] == [Event.OFFLINE, Event.BACK]


def test_killed_after_sending_the_next_process_sends_the_same_notice_again(
    friend: Friend, box: NoticeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(box, Event.OFFLINE)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(box, "passed", killed)
        with pytest.raises(KeyboardInterrupt):
            run(courier(friend, box))
    run(courier(friend, box))
    first, second = friend.got
    assert first.uid == second.uid


def test_a_ledger_whose_disk_is_full_makes_no_notice_come_twice(
    friend: Friend, box: NoticeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(box, Event.OFFLINE, Event.BACK)
    one = courier(friend, box)

    def full(*_: object) -> None:
        raise WorldFault("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(box, "passed", full)
        for _ in range(5):
            run(one)
    assert [notice.event for notice in friend.got] == [Event.OFFLINE, Event.BACK]


def test_a_surprise_is_logged_once_and_tried_again(
    friend: Friend, box: NoticeBox, caplog: pytest.LogCaptureFixture
) -> None:
    tell(box, Event.OFFLINE)
    friend.moods = [ZeroDivisionError(), ZeroDivisionError()]
    one = courier(friend, box)
    for _ in range(3):
        run(one)
    assert len(friend.got) == 1
    assert caplog.text.count("Traceback") == 1


def test_a_failure_is_told_once_and_so_is_its_end(
    friend: Friend, box: NoticeBox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "atelierd")
    tell(box, Event.OFFLINE)
    friend.moods = [UnreachableError("no"), UnreachableError("no"), UnreachableError("busy")]
    one = courier(friend, box)
    for _ in range(4):
        run(one)
    assert caplog.messages == [
        "a friend cannot be told now: no; trying again",
        "a friend cannot be told now: busy; trying again",
        "a friend is told again",
    ]


def test_what_there_was_no_room_for_is_counted(
    friend: Friend,
    box: NoticeBox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "MOST_KEPT", 2)
    tell(box, *[Event.BACK] * 5)
    run(courier(friend, box))
    assert [notice.id for notice in friend.got] == [4, 5]
    assert caplog.messages == ["a friend has missed 3 notices: there was no room to keep more"]


@pytest.fixture
def thread(friend: Friend, box: NoticeBox, path: Path) -> Iterator[CourierThread]:
    own = NoticeBox.open(path)
    yield CourierThread(Courier(friend, own, timedelta(days=2)), own, "courier")


def test_a_thread_brings_everything_before_it_ends(
    friend: Friend, box: NoticeBox, thread: CourierThread
) -> None:
    tell(box, *[Event.BACK] * 20)
    thread.start()
    thread.close()
    assert thread.join(PATIENCE)
    assert len(friend.got) == 20


def test_a_thread_ends_although_the_receiver_fails(
    friend: Friend, box: NoticeBox, thread: CourierThread
) -> None:
    tell(box, Event.BACK)
    friend.moods = [UnreachableError("no")] * 1000
    thread.start()
    thread.close()
    assert thread.join(PATIENCE)
    assert box.next(0) is not None


def test_a_thread_that_hangs_keeps_nobody(
    friend: Friend, box: NoticeBox, thread: CourierThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(box, Event.BACK)
    released, sending = threading.Event(), threading.Event()

    def hang(_: Notice) -> None:
        sending.set()
        released.wait(PATIENCE)

    monkeypatch.setattr(friend, "send", hang)
    thread.start()
    assert sending.wait(PATIENCE)
    thread.close()
    assert not thread.join(0.05)
    released.set()
    assert thread.join(PATIENCE)


def test_it_goes_by_the_clock_it_is_given(friend: Friend, box: NoticeBox) -> None:
    tell(box, Event.OFFLINE)
    later: Callable[[], datetime] = lambda: datetime.now(UTC) + timedelta(days=3)  # noqa: E731
    run(Courier(friend, box, timedelta(days=2), clock=later))
    assert friend.got == []
