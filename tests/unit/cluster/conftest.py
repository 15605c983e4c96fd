"""A daemon's folder, a worker's bench, and a played studio that counts instead of painting."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atelierd.cluster import remote
from atelierd.cluster.bench import Bench
from atelierd.cluster.carrier import Carrier, Fences
from atelierd.jobs.frozen import FrozenImage, FrozenRender, FrozenStyle, input_path
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.resolved import resolve
from atelierd.jobs.schema import JobFile
from atelierd.render import checkpoint
from atelierd.render.segment import SegmentOrder, SegmentReport
from atelierd.weights.formats import canonical
from atelierd.weights.network import Network, Weights

ITERATIONS = 10


class PlayedStudio:
    """Does one iteration a segment, with a snapshot and a checkpoint each."""

    def __init__(self) -> None:
        self.live: dict[Path, int] = {}
        self.orders: list[SegmentOrder] = []
        self.replaced: list[str] = []
        self.killed_for_memory = False
        self.fails: Exception | None = None
        self.padding = 0
        """Bytes that a checkpoint holds beside what it needs."""

    def submit(self, order: SegmentOrder) -> Future[SegmentReport]:
        self.orders.append(order)
        future: Future[SegmentReport] = Future()
        if self.fails is not None:
            future.set_exception(self.fails)
            return future
        future.set_result(self._iterate(order))
        return future

    def replace(self, reason: str) -> None:
        self.replaced.append(reason)
        self.live.clear()

    def stop(self) -> None:
        pass

    def _iterate(self, order: SegmentOrder) -> SegmentReport:
        done = self.live.get(order.work)
        if done is None:
            found = checkpoint.load_newest(order.work)
            done = 0 if found is None else int(found[0]["iteration"])
        done += 1
        (order.work / "previews").mkdir(exist_ok=True)
        (order.work / f"snapshot-{done:06d}.png").write_bytes(b"picture %d" % done)
        (order.work / "previews" / "now.jpg").write_bytes(b"now %d" % done)
        (order.work / "plan.json").write_text(json.dumps({"bytes": 1000}))
        padding = np.zeros(self.padding, np.uint8)
        checkpoint.save(order.work, done, {"iteration": done}, {"padding": padding})
        self.live = {order.work: done}
        return report(order.render_id, done)


def report(render_id: str, iteration: int) -> SegmentReport:
    return SegmentReport(
        render_id=render_id, pid=1, iteration=iteration, iterations=ITERATIONS,
        evaluations=iteration, objective=1.0, seconds=float(iteration), width=8, height=8,
        phase=0, saved=True, finished=iteration == ITERATIONS, snapshots=iteration, log=(),
    )  # fmt: skip


class Machine:
    """A worker: its bench, and the calls that reach it."""

    def __init__(self, folder: Path, own_weights: Path) -> None:
        self.studio = PlayedStudio()
        self.bench = Bench(folder, self.studio, own_weights)
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.before: Callable[[str], None] = lambda name: None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """What the link does: have the function run over there."""
        future: Future[Any] = Future()
        self.calls.append((function.__name__, arguments))
        remote.open_bench(self.bench)
        try:
            self.before(function.__name__)
            future.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - as the cluster does
            future.set_exception(error)
        return future

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


class Home:
    """The daemon's state folder, and orders of one render."""

    def __init__(self, state: Path, weights: Path, numbers: str) -> None:
        self.state = state
        self.fences = Fences()
        self._weights = weights
        self._numbers = numbers

    def of(self, network: Network) -> tuple[Path, str]:
        return self._weights / f"{network}.safetensors", self._numbers

    def stop(self) -> None:
        pass

    def order(self, render_id: str = "a.0", seconds: float = 2.0) -> SegmentOrder:
        images = []
        for data in (b"the content", b"the style"):
            sha256 = hashlib.sha256(data).hexdigest()
            path = input_path(self.state, sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            images.append(FrozenImage(path="a.png", sha256=sha256))
        style = FrozenStyle(path="b.png", sha256=images[1].sha256, share=1.0)
        job = JobFile(content="a.png", style="b.png")
        preset = load_preset("default", [shipped_config() / "presets"])
        frozen = FrozenRender(
            title="a", content=images[0], styles=(style,), init=None,
            settings=resolve(job, preset, preset),
        )  # fmt: skip
        return SegmentOrder(
            render_id, frozen.model_dump_json(), self.state, self.work(render_id), seconds
        )

    def work(self, render_id: str = "a.0") -> Path:
        return self.state / "renders" / render_id

    def carry(self, carrier: Carrier, order: SegmentOrder | None = None) -> SegmentReport:
        order = order or self.order()
        return carrier.carry(order, self.fences.take(order.render_id))

    def carrier(self, machine: Machine) -> Carrier:
        return Carrier(machine.call, self)


@pytest.fixture(scope="session")
def some_weights(random_vgg16: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configured")
    canonical.write(folder / "vgg16.safetensors", random_vgg16, {"configured": "0123"})
    return folder


@pytest.fixture
def home(tmp_path: Path, some_weights: Path, random_vgg16: Weights) -> Home:
    return Home(tmp_path / "home", some_weights, random_vgg16.sha256)


MakeMachine = Callable[[str], Machine]


@pytest.fixture
def new_machine(tmp_path: Path) -> Iterator[MakeMachine]:
    machines = []

    def make(name: str) -> Machine:
        machines.append(Machine(tmp_path / name, tmp_path / name / "own"))
        return machines[-1]

    yield make
    for machine in machines:
        machine.bench.close()
    remote.open_bench(None)


@pytest.fixture
def machine(new_machine: MakeMachine) -> Machine:
    return new_machine("worker")
