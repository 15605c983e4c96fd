"""How many workers one daemon keeps busy: a real dispatcher, ledger, outbox and fleet.

Only the workers are played, and the network to them: a segment is slept for instead of computed,
and what it brings home is made up, as many bytes as a real render's. What the daemon does is what
it always does: packing, the ledger's commits, writing pictures and checkpoints durably, publishing.

Time is real, but the renders are short. `python -m tests.benchmarks.cluster [workers] [renders]`.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import heapq
import logging
import pstats
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from atelierd.cluster import remote
from atelierd.cluster.capability import Capability
from atelierd.cluster.fleet import ClusterFleet
from atelierd.cluster.link import Peer
from atelierd.cluster.parcel import Brought, Errand, Lacking
from atelierd.dispatch.dispatcher import Dispatcher, DispatchPlan
from atelierd.jobs.frozen import FrozenImage, FrozenRender, FrozenStyle, input_path, job_file_path
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.resolved import resolve
from atelierd.jobs.schema import JobFile
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender
from atelierd.ledger.states import RenderState
from atelierd.outbox.desk import Desk
from atelierd.render.segment import SegmentReport
from atelierd.share import init_share
from atelierd.weights.network import Network

#: Renders of one job.
PER_JOB = 50
#: Bytes of a picture that a segment brings home.
PICTURE = 60_000


@dataclass
class Load:
    """What is simulated."""

    workers: int
    renders: int
    segments: int
    """Of each render."""
    seconds: float
    """That a segment lasts."""
    checkpoint: int
    """Bytes that each segment brings home beside its picture."""


class Clock:
    """Ends segments when their time has come: one thread, instead of a sleeping one for each."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._changed = threading.Condition()
        self._count = 0
        threading.Thread(target=self._run, daemon=True).start()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        with self._changed:
            self._count += 1
            heapq.heappush(self._due, (time.monotonic() + seconds, self._count, do))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    rest = self._due[0][0] - time.monotonic() if self._due else None
                    self._changed.wait(rest)
                _, _, do = heapq.heappop(self._due)
            do()


class SleepingLink:
    """Stands for the connection: workers that sleep a segment's time, and say what they made."""

    fault = None

    def __init__(self, load: Load) -> None:
        self._load = load
        self._clock = Clock()
        self._done: dict[str, int] = {}
        self._picture = b"\x89PNG" + bytes(PICTURE)
        self._checkpoint = bytes(load.checkpoint)
        self.busy_seconds = 0.0
        self._lock = threading.Lock()
        names = [f"w{index:03d}" for index in range(load.workers)]
        self.peers = {
            name: Peer(
                name,
                name,
                Capability(
                    atelierd="",
                    incarnation=name,
                    pid=index,
                    device="cpu",
                    description="asleep",
                    memory=2**36,
                ),
            )
            for index, name in enumerate(names, 1)
        }

    def start(self, changed: Callable[[], None]) -> None:
        pass

    def stop(self) -> None:
        pass

    def submit(self, peer: Peer, function: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if function is not remote.run_errand:
            future.set_result(None)
            return future
        errand: Errand = arguments[0]
        if errand.order.render_id not in self._done:
            self._done[errand.order.render_id] = 0
            future.set_result(Lacking((), work=True))
            return future
        self._clock.after(self._load.seconds, lambda: future.set_result(self._brought(errand)))
        return future

    def _brought(self, errand: Errand) -> Brought:
        render_id = errand.order.render_id
        with self._lock:
            self._done[render_id] += 1
            self.busy_seconds += self._load.seconds
            done = self._done[render_id]
        finished = done == self._load.segments
        name = "result.png" if finished else f"snapshot-{done:06d}.png"
        files = {name: self._picture, f"{done:08d}.checkpoint": self._checkpoint}
        report = SegmentReport(
            render_id=render_id,
            pid=1,
            iteration=done,
            iterations=self._load.segments,
            evaluations=done,
            objective=1.0,
            seconds=done * self._load.seconds,
            width=8,
            height=8,
            phase=0,
            saved=True,
            finished=finished,
            snapshots=done,
            log=(),
            receipt={"snapshots": list(range(1, done)), "seconds": 1.0} if finished else {},
        )
        return Brought(report, tuple((key, len(data)) for key, data in files.items()), files)


class Held:
    """The weights, which nobody asks for."""

    def of(self, network: Network) -> tuple[Path, str]:
        return Path("/dev/null"), "0" * 64


def simulate(load: Load, root: Path, *, profiled: bool) -> dict[str, float]:
    """Run the dispatcher until all renders are done, and return what was measured."""
    init_share(root / "share")
    state, outbox = root / "state", root / "share" / "outbox"
    state.mkdir()
    ledger = Ledger.open(state / "ledger.sqlite")
    fill(ledger, state, load)
    link = SleepingLink(load)
    fleet = ClusterFleet(link, Held(), state)  # type: ignore[arg-type]
    woken = threading.Event()
    desk = Desk(ledger, outbox, state, time.monotonic)
    plan = DispatchPlan(
        state=state,
        outbox=outbox,
        segment=timedelta(seconds=load.seconds),
        attempts=3,
        hang_after=timedelta(minutes=15),
        free_space=0,
    )
    dispatcher = Dispatcher(plan, ledger, fleet, changed=desk.changed, woken=woken.set)
    profile = cProfile.Profile()
    processor, started = time.process_time(), time.monotonic()
    full_until = started
    if profiled:
        profile.enable()
    most = 0
    process = psutil.Process()
    while True:
        woken.clear()
        dispatcher.turn(time.monotonic())
        desk.turn((), (), time.monotonic() + 0.5)
        most = max(most, process.memory_info().rss)
        counts = ledger.counts().renders
        if counts[RenderState.QUEUED]:
            full_until, full_busy = time.monotonic(), link.busy_seconds
        if counts[RenderState.DONE] == load.renders:
            break
        woken.wait(0.5)
    took = time.monotonic() - started
    if profiled:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(18)
    fleet.stop()
    ledger.close()
    segments = load.renders * load.segments
    return {
        "seconds": took,
        "busy, while there was work for all": full_busy / (load.workers * (full_until - started)),
        "segments per second": segments / took,
        "processor ms per segment": 1000 * (time.process_time() - processor) / segments,
        "most MB": most / 1e6,
    }


def fill(ledger: Ledger, state: Path, load: Load) -> None:
    """Put renders into the ledger, as if they had been accepted."""
    images = []
    for color in ("red", "blue"):
        picture = state / f"{color}.png"
        Image.new("RGB", (64, 64), color).save(picture)
        data = picture.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        path = input_path(state, sha256)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        images.append(FrozenImage(path="a.png", sha256=sha256))
    preset = load_preset("default", [shipped_config() / "presets"])
    settings = resolve(JobFile(content="a.png", style="b.png"), preset, preset)
    style = FrozenStyle(path="b.png", sha256=images[1].sha256, share=1.0)
    for number in range(load.renders // PER_JOB):
        job_id = f"job-{number:05d}"
        path = job_file_path(state, job_id)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content: a.png\nstyle: b.png\n")
        renders = []
        for index in range(PER_JOB):
            frozen = FrozenRender(
                title=f"a-{index}", content=images[0], styles=(style,), init=None,
                settings=settings,
            )  # fmt: skip
            renders.append(NewRender(frozen.title, frozen.model_dump_json(), load.segments))
        ledger.add_job(
            NewJob(
                id=job_id,
                name=job_id,
                source=f"{job_id}.yaml",
                submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
                job_file_sha256="0" * 64,
                renders=tuple(renders),
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workers", nargs="?", type=int, default=200)
    parser.add_argument("renders", nargs="?", type=int, default=10_000)
    parser.add_argument("--segments", type=int, default=1, help="of each render")
    parser.add_argument("--seconds", type=float, default=20.0, help="that a segment lasts")
    parser.add_argument("--checkpoint", type=int, default=1_000_000, help="bytes")
    parser.add_argument("--folder", type=Path, help="where state folder and share are made")
    parser.add_argument("--profile", action="store_true")
    told = parser.parse_args()
    logging.getLogger("atelierd").setLevel(logging.ERROR)
    load = Load(told.workers, told.renders, told.segments, told.seconds, told.checkpoint)
    with tempfile.TemporaryDirectory(dir=told.folder) as folder:
        found = simulate(load, Path(folder), profiled=told.profile)
    found["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    lines = [str(load), *(f"{name:40} {value:10.3f}" for name, value in found.items())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
