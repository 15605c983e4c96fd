from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest

from atelierd import stopwait as module
from atelierd.signals import StopSignals
from atelierd.stopwait import CHECKPOINT_PATIENCE, ITERATION_PATIENCE, MORE_TIME, StopWait


class Clock:
    """A clock that only waiting moves."""

    now = 1000.0

    def waiting(self, futures: Any, timeout: float) -> Any:
        self.now += timeout
        done = {one for one in futures if one.done()}
        return type("Result", (), {"done": done})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "wait", clock.waiting)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


def test_rule_19_all_waits_for_iterations_share_one_patience(clock: Clock) -> None:
    asked: list[timedelta] = []
    wait = StopWait(StopSignals(lambda: None), asked.append)
    for _ in range(3):
        assert not wait.for_iteration(Future())
    assert clock.now - 1000.0 == pytest.approx(ITERATION_PATIENCE.total_seconds(), abs=0.2)
    assert wait.for_iteration(done())
    assert asked == [ITERATION_PATIENCE + MORE_TIME], "the manager has counted since the signal"


def test_while_a_checkpoint_is_written_more_time_is_asked_for_before_it_runs_out(
    clock: Clock,
) -> None:
    asked: list[float] = []
    wait = StopWait(StopSignals(lambda: None), lambda _: asked.append(clock.now))
    wait.for_iteration(Future())
    began = clock.now
    asked.clear()
    assert not wait.for_checkpoint(Future())
    assert clock.now - began == pytest.approx(CHECKPOINT_PATIENCE.total_seconds(), abs=1)
    assert asked[0] == began
    gaps = [after - before for before, after in zip(asked, [*asked[1:], clock.now], strict=True)]
    assert max(gaps) < MORE_TIME.total_seconds() / 2


def test_one_that_is_written_is_not_waited_for(clock: Clock) -> None:
    asked: list[timedelta] = []
    assert StopWait(StopSignals(lambda: None), asked.append).for_checkpoint(done())
    assert (clock.now, asked) == (1000.0, [])


@pytest.mark.parametrize("which", ["for_iteration", "for_checkpoint"])
def test_rule_19_a_second_signal_ends_every_wait(clock: Clock, which: str) -> None:
    signals = StopSignals(lambda: None)
    wait: Callable[[Future[Any]], bool] = getattr(StopWait(signals, lambda _: None), which)
    with signals.caught():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert not wait(Future())
    assert clock.now == 1000.0
