"""The daemon's connection, to a real scheduler and real dask workers in this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import uuid4

import dask
import pytest
from distributed import Scheduler, Worker
from distributed.security import Security

from atelierd import __version__
from atelierd.cluster import link as linking
from atelierd.cluster.capability import RESOURCE, TOLD, Capability
from atelierd.cluster.host import LOCAL_ONLY
from atelierd.cluster.link import Link, Peer
from atelierd.errors import JobFault, NodeFault, WorldFault

PATIENCE = 60.0
OPEN = Security(require_encryption=False)


def until(met: Callable[[], bool], what: str = "") -> None:
    end = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def double(value: int) -> int:
    return 2 * value


def fail() -> None:
    raise JobFault("too small")


class Farm:
    """A scheduler and workers in a loop of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: Any = None
        self.workers: dict[str, Any] = {}

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def start(self) -> None:
        async def start() -> Any:
            return await Scheduler(
                host="127.0.0.1",
                port=self.port,
                dashboard=False,
                dashboard_address=LOCAL_ONLY,
                allowed_failures=0,
            )

        self.scheduler = self.do(start())

    def worker(self, name: str, version: str = __version__) -> None:
        told = Capability(
            atelierd=version,
            incarnation=uuid4().hex,
            pid=7,
            device="cpu",
            description="",
            memory=1,
        ).model_dump()

        async def start() -> Any:
            return await Worker(
                self.address,
                nthreads=1,
                name=name,
                resources={RESOURCE: 1},
                memory_limit=0,
                dashboard_address=LOCAL_ONLY,
                startup_information={TOLD: lambda _: told},
            )

        self.workers[name] = self.do(start())

    def lose(self, name: str) -> None:
        """End a worker as if its machine had died."""
        worker = self.workers.pop(name)
        self.do(self.scheduler.remove_worker(worker.address, stimulus_id="test"))
        self.do(worker.close(executor_wait=False, timeout=1))

    def end(self) -> None:
        for worker in self.workers.values():
            with contextlib.suppress(Exception):
                self.do(worker.close(executor_wait=False, timeout=1))
        if self.scheduler is not None:
            with contextlib.suppress(Exception):
                self.do(self.scheduler.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def farm() -> Iterator[Farm]:
    quiet: dict[str, Any] = {
        "distributed.worker.http.routes": [],
        "distributed.scheduler.http.routes": [],
    }
    with dask.config.set({**quiet, "distributed.worker.profile.enabled": False}):
        farm = Farm()
        yield farm
        farm.end()


@pytest.fixture
def link(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    monkeypatch.setattr(linking, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(linking, "LAST_RETRY", 1.0)
    link = Link(farm.address, OPEN)
    yield link
    link.stop()


def connected(farm: Farm, link: Link, *names: str) -> list[Peer]:
    farm.start()
    for name in names:
        farm.worker(name)
    link.start(lambda: None)
    until(lambda: set(link.peers) == set(names) and link.fault is None, "the workers")
    return [link.peers[name] for name in names]


def blocked(link: Link, peer: Peer) -> tuple[Any, threading.Event]:
    """Have a worker do something that lasts; return its future and what ends it."""
    began, ending = threading.Event(), threading.Event()
    _blocks[peer.name] = (began, ending)
    future = link.submit(peer, block, peer.name)
    assert began.wait(PATIENCE)
    return future, ending


_blocks: dict[str, tuple[threading.Event, threading.Event]] = {}


def block(name: str) -> None:
    began, ending = _blocks[name]
    began.set()
    ending.wait(PATIENCE)


def test_a_worker_does_what_it_is_asked_and_faults_arrive_as_what_they_are(
    farm: Farm, link: Link
) -> None:
    (peer,) = connected(farm, link, "w1")
    assert link.submit(peer, double, 21).result(PATIENCE) == 42
    with pytest.raises(JobFault, match="too small"):
        link.submit(peer, fail).result(PATIENCE)


def test_the_scheduler_keeps_nothing_of_what_was_done(farm: Farm, link: Link) -> None:
    (peer,) = connected(farm, link, "w1")
    for value in range(5):
        link.submit(peer, double, value).result(PATIENCE)
    until(lambda: not farm.scheduler.tasks, "no task is left")


def test_a_worker_that_is_lost_is_told_to_those_who_wait_and_asked_no_more(
    farm: Farm, link: Link
) -> None:
    peer, _ = connected(farm, link, "w1", "w2")
    future, ending = blocked(link, peer)
    farm.lose("w1")
    try:
        with pytest.raises(NodeFault, match="the worker w1 was lost"):
            future.result(PATIENCE)
        until(lambda: set(link.peers) == {"w2"}, "one left")
        with pytest.raises(NodeFault):
            link.submit(peer, double, 1).result(PATIENCE)
    finally:
        ending.set()


def test_a_worker_that_registers_again_is_another_one(farm: Farm, link: Link) -> None:
    (peer,) = connected(farm, link, "w1")
    farm.lose("w1")
    farm.worker("w1")
    until(lambda: "w1" in link.peers and link.peers["w1"] is not peer, "another one")
    assert link.submit(link.peers["w1"], double, 4).result(PATIENCE) == 8


def test_one_that_was_never_there_is_told_too(farm: Farm, link: Link) -> None:
    link.start(lambda: None)
    until(lambda: "cannot be reached" in str(link.fault), "the fault")
    assert not link.peers


def test_workers_of_other_versions_get_nothing_to_do(
    farm: Farm, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    connected(farm, link, "w1")
    farm.worker("old", version="0.0.1")
    until(lambda: "worker old is not of atelierd" in caplog.text, "the warning")
    assert set(link.peers) == {"w1"}


def test_those_who_wait_when_the_daemon_stops_wait_no_more(farm: Farm, link: Link) -> None:
    (peer,) = connected(farm, link, "w1")
    future, ending = blocked(link, peer)
    link.stop()
    ending.set()
    with pytest.raises(WorldFault):
        future.result(PATIENCE)
    with pytest.raises(WorldFault):
        link.submit(peer, double, 1).result(PATIENCE)
    link.order(peer, double, 1)


def test_an_order_reaches_a_worker_that_is_busy(farm: Farm, link: Link) -> None:
    (peer,) = connected(farm, link, "w1")
    future, _ = blocked(link, peer)
    link.order(peer, unblock, "w1")
    assert future.result(PATIENCE) is None


def unblock(name: str) -> None:
    _blocks[name][1].set()
