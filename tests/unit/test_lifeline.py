from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from atelierd.errors import NodeFault, WorldFault
from atelierd.lifeline import GRACE, Lifeline, Pulse, fault_of

WELL = Pulse(now=100.0, next_scan=101.0, share_fault=None, waits=False)


class Manager:
    """Hears what is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, **told: Any) -> None:
        self.heard += told


def later(seconds: float) -> Pulse:
    return replace(WELL, now=WELL.now + seconds, next_scan=WELL.next_scan + seconds)


def test_it_is_ready_once_when_every_engine_has_computed() -> None:
    manager = Manager()
    engines: list[Future[str]] = [Future(), Future()]
    lifeline = Lifeline(engines, manager)
    lifeline.turned(WELL)
    engines[1].set_result("computes on two")
    lifeline.turned(WELL)
    assert manager.heard == []
    engines[0].set_result("computes on one")
    lifeline.turned(WELL)
    lifeline.turned(later(1))
    assert manager.heard == ["ready"]


def test_while_the_share_is_away_at_the_start_it_asks_for_time_and_is_not_ready() -> None:
    manager = Manager()
    lifeline = Lifeline((), manager)
    for second in range(20):
        lifeline.turned(replace(later(second), share_fault="share offline", waits=True))
    assert manager.heard == ["more_time"] * 4
    lifeline.turned(later(20))
    assert manager.heard[4:] == ["ready"]


def test_no_time_is_asked_for_an_engine() -> None:
    manager = Manager()
    lifeline = Lifeline([Future()], manager)
    for second in range(20):
        lifeline.turned(later(second))
    assert manager.heard == []


def test_an_engine_that_does_not_compute_ends_the_start_with_its_reason() -> None:
    broken: Future[str] = Future()
    broken.set_exception(WorldFault("device cuda: no driver"))
    with pytest.raises(WorldFault, match="no driver"):
        Lifeline([broken], Manager()).turned(WELL)


def test_a_process_that_dies_while_it_loads_the_engine_is_told() -> None:
    dead: Future[str] = Future()
    dead.set_exception(BrokenProcessPool())
    with pytest.raises(NodeFault, match="died while it loaded PyTorch"):
        Lifeline([dead], Manager()).turned(WELL)


def test_a_drain_with_nothing_to_do_says_that_it_was_ready() -> None:
    manager = Manager()
    lifeline = Lifeline((), manager)
    lifeline.ends()
    lifeline.ends()
    assert manager.heard == ["ready"]


def test_there_are_several_signs_of_life_in_a_period_and_not_one_for_each_turn() -> None:
    manager = Manager()
    lifeline = Lifeline((), manager, timedelta(seconds=40))
    for second in range(41):
        lifeline.turned(later(second))
    assert manager.heard == ["ready", *["alive"] * 5]


def test_without_a_watchdog_there_are_none() -> None:
    manager = Manager()
    lifeline = Lifeline((), manager)
    lifeline.turned(WELL)
    lifeline.turned(later(1000))
    assert manager.heard == ["ready"]


BUSY = replace(WELL, deadlines=(WELL.now + 900,))
SILENT = replace(WELL, deadlines=(WELL.now + 900, WELL.now - GRACE - 1))
UNSCANNED = replace(WELL, next_scan=WELL.now - GRACE - 1)


@pytest.mark.parametrize("pulse", [WELL, BUSY])
def test_it_lives_idle_or_busy(pulse: Pulse) -> None:
    assert fault_of(pulse) is None


@pytest.mark.parametrize("pulse", [SILENT, UNSCANNED])
def test_it_does_not_live_when_a_worker_is_silent_too_long_or_nobody_scans(pulse: Pulse) -> None:
    assert fault_of(pulse) is not None
    manager = Manager()
    lifeline = Lifeline((), manager, timedelta(seconds=1))
    lifeline.turned(pulse)
    assert manager.heard == ["ready"]
    assert fault_of(replace(pulse, waits=True)) is None, "the world is at fault, not the daemon"


def test_one_that_lives_again_says_so() -> None:
    manager = Manager()
    lifeline = Lifeline((), manager, timedelta(seconds=1))
    for pulse in (SILENT, SILENT, later(5)):
        lifeline.turned(pulse)
    assert manager.heard == ["ready", "alive"]
