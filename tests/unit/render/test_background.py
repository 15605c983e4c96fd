from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from atelierd.errors import JobFault
from atelierd.render.background import MOST_WAITING, Background


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


def fail() -> None:
    raise OSError("the disk is full")


def test_it_goes_on_meanwhile_and_in_order(background: Background) -> None:
    go_on, done = threading.Event(), []

    def first() -> None:
        assert go_on.wait(60)
        done.append(1)

    background.do(first)
    background.do(lambda: done.append(2))
    assert done == [], "nobody has waited for it"
    go_on.set()
    background.wait()
    assert done == [1, 2]


def test_what_goes_wrong_is_raised_by_whoever_relies_on_it(background: Background) -> None:
    done = []
    background.do(fail)
    background.do(lambda: done.append(2))
    with pytest.raises(OSError, match="the disk is full"):
        background.wait()
    background.wait()
    assert background._thread.submit(lambda: list(done)).result() == [2]


def test_where_too_much_waits_the_first_of_it_is_waited_for(background: Background) -> None:
    def fault() -> None:
        raise JobFault("the format cannot hold it")

    background.do(fault)
    for _ in range(MOST_WAITING - 1):
        background.do(lambda: None)
    with pytest.raises(JobFault):
        background.do(lambda: None)


def test_closing_ends_the_thread_and_logs_what_nobody_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = threading.active_count()
    background = Background()
    background.do(fail)
    background.close()
    assert threading.active_count() == before
    assert "the disk is full" in caplog.text
