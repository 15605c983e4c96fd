"""The workers of a cluster as dispatch knows them, with a played connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from tests.unit.cluster.conftest import Home, Machine, MakeMachine
from tests.unit.render.models import machine as figures

from atelierd.cluster import remote
from atelierd.cluster.capability import Capability
from atelierd.cluster.fleet import ClusterFleet
from atelierd.cluster.link import Peer
from atelierd.errors import NodeFault, WorldFault

PATIENCE = 30.0


class PlayedLink:
    """Peers that come and go, each with a machine that does what it is asked."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.peers: dict[str, Peer] = {}
        self.machines: dict[str, Machine] = {}
        self.orders: list[tuple[str, str]] = []
        self.hanging: list[Future[Any]] = []
        self.hangs = threading.Event()
        self.stopped = False

    def add(self, name: str, machine: Machine, **told: Any) -> Peer:
        values = {
            "atelierd": "1",
            "incarnation": f"{name}-{len(self.peers)}",
            "pid": 77,
            "device": "cpu",
            "description": "",
            "memory": 2**40,
        }
        peer = Peer(name, name, Capability.model_validate(values | told))
        self.peers = {**self.peers, name: peer}
        self.machines[name] = machine
        return peer

    def start(self, changed: Callable[[], None]) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True
        for future in self.hanging:
            if not future.done():
                future.set_exception(WorldFault("the daemon stops"))

    def submit(self, peer: Peer, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        if self.hangs.is_set():
            self.hanging.append(Future())
            return self.hanging[-1]
        return self.machines[peer.name].call(function, *arguments)

    def wait_for_a_call(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self.hanging:
            assert time.monotonic() < until
            time.sleep(0.01)

    def order(self, peer: Peer, function: Callable[..., Any], *arguments: Any) -> None:
        self.orders.append((peer.name, function.__name__))


@pytest.fixture
def link() -> PlayedLink:
    return PlayedLink()


@pytest.fixture
def fleet(link: PlayedLink, home: Home) -> Iterator[ClusterFleet]:
    fleet = ClusterFleet(link, home, home.state)  # type: ignore[arg-type]
    yield fleet
    fleet.stop()


def test_a_worker_is_the_same_object_as_long_as_it_is_registered(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine
) -> None:
    link.add("w1", machine)
    (first,) = fleet.workers()
    assert fleet.workers() == [first]
    link.peers = {}
    assert fleet.workers() == []
    link.add("w1", machine)
    assert fleet.workers() != [first]


def test_the_fast_ones_are_asked_first_and_unmeasured_ones_last(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine
) -> None:
    slow = figures(start_bytes=1)
    slower = slow.model_copy(
        update={
            "costs": {
                precision: {
                    way: cost.model_copy(update={"seconds_per_pixel": 9e-6})
                    for way, cost in ways.items()
                }
                for precision, ways in slow.costs.items()
            }
        }
    )
    link.add("a", machine)
    link.add("b", machine, figures=slower)
    link.add("c", machine, figures=slow)
    assert [worker.name for worker in fleet.workers()] == ["c", "b", "a"]


def test_a_segment_is_done_there_and_lies_at_home(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine, home: Home
) -> None:
    link.add("w1", machine)
    (worker,) = fleet.workers()
    assert worker.start() == 77
    assert worker.is_up
    assert worker.submit(home.order()).result(PATIENCE).iteration == 1
    assert (home.work() / "snapshot-000001.png").exists()


def test_why_there_is_nobody_is_told(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine
) -> None:
    assert "no worker is registered" in str(fleet.fault)
    link.fault = "the scheduler is gone"
    assert fleet.fault == "the scheduler is gone"
    link.fault = None
    link.add("w1", machine)
    assert fleet.fault is None


def test_after_the_stop_it_says_what_was_wrong_before(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine
) -> None:
    link.add("w1", machine)
    fleet.stop()
    link.peers = {}
    assert fleet.fault is None
    assert link.stopped


def test_a_worker_that_hangs_is_replaced_and_waited_for_no_more(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine, home: Home
) -> None:
    link.add("w1", machine)
    (worker,) = fleet.workers()
    link.hangs.set()
    future = worker.submit(home.order())
    link.wait_for_a_call()
    worker.replace("it has not reported")
    with pytest.raises(NodeFault, match="it has not reported"):
        future.result(PATIENCE)
    assert link.orders == [("w1", remote.replace_studio.__name__)]
    assert not worker.is_up
    link.hangs.clear()
    assert worker.submit(home.order()).result(PATIENCE).iteration == 1


def test_a_worker_that_has_told_of_its_fault_is_not_told_to_end_its_process_again(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine, home: Home
) -> None:
    link.add("w1", machine)
    (worker,) = fleet.workers()
    machine.studio.fails = NodeFault("it died")
    future = worker.submit(home.order())
    with pytest.raises(NodeFault):
        future.result(PATIENCE)
    assert machine.studio.replaced == ["it died"]
    worker.replace("it died")
    assert link.orders == []


def test_one_that_rests_ends_its_process_and_goes_on_from_what_is_at_home(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine, home: Home
) -> None:
    link.add("w1", machine)
    (worker,) = fleet.workers()
    worker.rest()
    assert link.orders == [], "it holds nothing yet"
    assert worker.submit(home.order()).result(PATIENCE).iteration == 1
    worker.rest()
    assert link.orders == [("w1", remote.replace_studio.__name__)] and not worker.is_up
    assert worker.submit(home.order()).result(PATIENCE).iteration == 2
    assert worker.is_up


def test_one_that_is_lost_does_not_start(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine, home: Home
) -> None:
    peer = link.add("w1", machine)
    (worker,) = fleet.workers()
    worker.start()
    peer.why = NodeFault("the worker w1 was lost")
    assert not worker.is_up
    with pytest.raises(NodeFault, match="gone"):
        worker.submit(home.order())
    worker.replace("it was lost")
    assert link.orders == [], "there is nobody to be told"


def test_a_stop_does_not_wait_for_what_is_under_way(
    fleet: ClusterFleet, link: PlayedLink, machine: Machine, home: Home
) -> None:
    link.add("w1", machine)
    (worker,) = fleet.workers()
    link.hangs.set()
    future = worker.submit(home.order())
    link.wait_for_a_call()
    fleet.stop()
    with pytest.raises(WorldFault):
        future.result(PATIENCE)


def test_two_workers_never_write_for_one_render(
    fleet: ClusterFleet, link: PlayedLink, new_machine: MakeMachine, home: Home
) -> None:
    """The first one answers when the second has been asked already."""
    one, two = new_machine("one"), new_machine("two")
    link.add("a", one)
    link.add("b", two)
    first, second = fleet.workers()
    link.hangs.set()
    late = first.submit(home.order())
    link.wait_for_a_call()
    link.hangs.clear()
    assert second.submit(home.order()).result(PATIENCE).iteration == 1
    errand = next(arguments[0] for name, arguments in two.calls if name == "run_errand")
    before = sorted(home.work().rglob("*"))
    one.bench.run(errand)  # says what it lacks
    brought = two.bench.run(errand)
    link.hanging[0].set_result(brought)
    with pytest.raises(NodeFault):
        late.result(PATIENCE)
    assert sorted(home.work().rglob("*")) == before
