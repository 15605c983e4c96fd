"""A dispatcher on a real ledger and outbox, whose worker is played by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.dispatch.dispatcher import Dispatcher, DispatchPlan
from atelierd.dispatch.fleet import Worker
from atelierd.dispatch.rota import Rota
from atelierd.errors import NodeFault
from atelierd.jobs.frozen import job_file_path
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, NewJob, NewRender, RenderRow
from atelierd.render.segment import SegmentOrder, SegmentReport
from atelierd.schedule.timetable import NO_WISHES, Wishes
from atelierd.share import init_share

ITERATIONS = 40


class PlayedWorker:
    """Takes orders; the test completes their futures."""

    def __init__(self) -> None:
        self.name = "cpu"
        self.pid = 0
        self.orders: list[SegmentOrder] = []
        self.futures: list[Future[SegmentReport]] = []
        self.replaced: list[str] = []
        self.rests = 0
        self.stopped = 0
        self.killed_for_memory = False
        self.too_large: set[str] = set()
        """Names of the work folders of renders that it cannot do."""
        self.refuses: str | None = None
        self.at_submit: Callable[[SegmentOrder], None] = lambda order: None

    @property
    def is_up(self) -> bool:
        return self.pid != 0

    def start(self) -> int:
        if self.refuses is not None:
            raise NodeFault(self.refuses)
        self.pid = self.pid or 4242 + len(self.replaced)
        return self.pid

    def takes(self, spec: str, work: Path) -> bool:
        return work.name not in self.too_large

    def submit(self, order: SegmentOrder) -> Future[SegmentReport]:
        self.start()
        self.at_submit(order)
        self.orders.append(order)
        self.futures.append(Future())
        return self.futures[-1]

    def replace(self, reason: str) -> None:
        if self.pid:
            self.replaced.append(reason)
            self.pid = 0

    def rest(self) -> None:
        self.rests += 1
        self.pid = 0

    def stop(self) -> None:
        self.stopped += 1
        self.pid = 0


def report_of(worker: PlayedWorker, iteration: int = 5, **facts: Any) -> SegmentReport:
    """What the last segment of a worker comes to, unless `facts` say otherwise."""
    values: dict[str, Any] = {
        "render_id": worker.orders[-1].render_id,
        "pid": worker.pid,
        "iteration": iteration,
        "iterations": ITERATIONS,
        "evaluations": iteration + 1,
        "objective": 1e6 / (iteration + 1),
        "seconds": iteration * 0.5,
        "width": 64,
        "height": 48,
        "phase": 0,
        "saved": False,
        "finished": False,
        "snapshots": 0,
        "log": (),
    }
    return SegmentReport(**values | facts)


class PlayedFleet:
    """Workers that the test adds and takes away."""

    def __init__(self, *workers: Worker) -> None:
        self.fault: str | None = None
        self.present = list(workers)

    def workers(self) -> Sequence[Worker]:
        return self.present

    def prove(self) -> Sequence[Future[str]]:
        return ()

    def stop(self) -> None:
        for worker in self.present:
            worker.stop()


class Bench:
    """Everything around one dispatcher, and the way to play a segment."""

    def __init__(self, folder: Path) -> None:
        init_share(folder / "share")
        self.outbox = folder / "share" / "outbox"
        self.state = folder / "state"
        self.state.mkdir()
        self.ledger = Ledger.open(self.state / "ledger.sqlite")
        self.plan = DispatchPlan(
            state=self.state,
            outbox=self.outbox,
            segment=timedelta(seconds=2),
            attempts=3,
            hang_after=timedelta(minutes=15),
            free_space=0,
        )
        self.now = 1000.0
        self.rota = Rota()
        self.changed: list[str] = []
        self.woken = 0
        self.start_anew()

    def start_anew(self) -> None:
        """A new daemon over the same folders, as after a kill."""
        self.ledger.recover()
        self.worker = PlayedWorker()
        self.dispatcher = Dispatcher(
            self.plan,
            self.ledger,
            PlayedFleet(self.worker),
            changed=self.changed.append,
            woken=self._wake,
            rota=self.rota,
        )

    def _wake(self) -> None:
        self.woken += 1

    def change(self, **changes: Any) -> None:
        """Change the plan, for a new daemon."""
        self.plan = replace(self.plan, **changes)
        self.start_anew()

    def add(
        self,
        job_id: str,
        renders: int = 1,
        priority: int = 0,
        source: str = "anna/job.yaml",
        settings: str = "{}",
        wishes: Wishes = NO_WISHES,
    ) -> JobRow:
        path = job_file_path(self.state, job_id)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content: a.png\nstyle: b.png\n")
        titles = [job_id] if renders == 1 else [f"{job_id}-{i}" for i in range(renders)]
        return self.ledger.add_job(
            NewJob(
                id=job_id,
                name=job_id,
                source=source,
                submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
                job_file_sha256="0" * 64,
                priority=priority,
                wishes=wishes,
                settings=settings,
                renders=tuple(NewRender(title, "{}", ITERATIONS) for title in titles),
            )
        )

    def turn(self, after: float = 0.0) -> None:
        self.now += after
        self.dispatcher.turn(self.now)

    @property
    def order(self) -> SegmentOrder:
        """The order that the worker was given last."""
        return self.worker.orders[-1]

    def report(self, iteration: int = 5, **facts: Any) -> SegmentReport:
        """What the segment under way comes to, unless `facts` say otherwise."""
        return report_of(self.worker, iteration, **facts)

    def come_to(self, outcome: SegmentReport | Exception) -> None:
        """Let the segment under way end; the dispatcher sees it at its next turn."""
        if isinstance(outcome, Exception):
            self.worker.futures[-1].set_exception(outcome)
        else:
            self.worker.futures[-1].set_result(outcome)

    def end(self, outcome: SegmentReport | Exception | None = None) -> None:
        """Let the segment under way end, and the dispatcher take its turn."""
        self.come_to(self.report() if outcome is None else outcome)
        self.turn(0.1)

    def picture(self, name: str, data: bytes = b"a picture") -> Path:
        """Have the worker leave a picture in its work folder."""
        self.order.work.mkdir(parents=True, exist_ok=True)
        path = self.order.work / name
        path.write_bytes(data)
        return path

    def finished(self, data: bytes = b"the result") -> SegmentReport:
        self.picture("result.png", data)
        receipt = {"snapshots": [], "seconds": 1.0}
        return self.report(ITERATIONS, finished=True, saved=True, receipt=receipt)

    def render(self, job_id: str, index: int = 0) -> RenderRow:
        return self.ledger.renders(job_id)[index]

    def published(self, job_id: str) -> set[str]:
        """The pictures in the job's folder."""
        folder = self.outbox / self.ledger.job_by_id(job_id).folder
        return {path.name for path in folder.glob("*.png")}

    def state_of(self, job_id: str) -> str:
        return str(self.ledger.job_by_id(job_id).state)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.ledger.close()
