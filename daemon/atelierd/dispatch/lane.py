"""A lane: one worker, the segment that it is busy with, and the render that it still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from concurrent.futures import Future
from dataclasses import replace

from atelierd.dispatch.fleet import Worker
from atelierd.dispatch.outcomes import outcome_of
from atelierd.dispatch.pause import Pause
from atelierd.dispatch.running import DispatchPlan, Running
from atelierd.errors import JobFault, NodeFault, WorldFault
from atelierd.failpoints import failpoint
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.outbox.folder import JobFolder
from atelierd.render.segment import SegmentOrder, SegmentReport
from atelierd.wording import shown


class Lane:
    """What the dispatcher knows of one worker.

    A worker keeps a render that was put aside until it has begun with another one, and saves it
    only then. No other lane may take it before that: it would go on from an older checkpoint, and
    the two would overwrite each other's.
    """

    def __init__(self, plan: DispatchPlan, worker: Worker, woken: Callable[[], None]) -> None:
        """Tell `woken` of each segment's end, from another thread."""
        self.worker = worker
        self.running: Running | None = None
        self.pause = Pause()
        """While this worker alone cannot go on."""
        self.has_left = False
        """Whether the worker is no longer of the fleet: its last segment is seen to, no more."""
        self.saving: Future[SegmentReport] | None = None
        """The checkpoint that is being written before the worker rests."""
        self._plan = plan
        self._woken = woken
        self._held: dict[str, RenderRow] = {}
        self._is_saved = True

    @property
    def held(self) -> Set[str]:
        """The renders that it is busy with or may hold unsaved; no other lane may take them.

        One under way may be queued as well: its job was cancelled and is to be tried again.
        """
        return self._held.keys() | ({self.running.render.id} if self.running else set())

    @property
    def parked(self) -> RenderRow | None:
        """The render that was put aside, and that nothing displaces; None while one is running."""
        return next(iter(self._held.values()), None) if self.running is None else None

    @property
    def unsaved(self) -> RenderRow | None:
        """The render that was put aside, if what it came to is in the worker's memory alone."""
        return None if self._is_saved else self.parked

    def submit(
        self,
        job: JobRow,
        render: RenderRow,
        folder: JobFolder,
        now: float,
        report: SegmentReport | None,
        following: str = "",
        *,
        saves: bool = False,
        draft: bool = False,
    ) -> None:
        """Have the worker do the next segment; `report` is the last one's, if it was here.

        With `saves` it only writes a checkpoint; with `draft` it ends when there is a draft.
        """
        seconds = 0.0 if saves else self._plan.segment.total_seconds()
        order = replace(self._order(render, seconds, following), draft=draft)
        future = self._submitted(order)
        future.add_done_callback(lambda _: self._woken())
        self.saving = None
        failpoint("dispatch.submitted")
        deadline = now + self._plan.hang_after.total_seconds()
        self.running = Running(job, render, folder, order, future, deadline, report)

    def save(self, render: RenderRow) -> Future[SegmentReport]:
        """Have the worker write a checkpoint."""
        return self._submitted(self._order(render, 0.0, ""))

    def outcome(
        self, running: Running, now: float
    ) -> SegmentReport | JobFault | NodeFault | WorldFault | None:
        """Return what a segment came to; None while it is under way and not overdue."""
        if running.future.done():
            killed = self.worker.killed_for_memory
            return outcome_of(running.future, self._plan.state, killed_for_memory=killed)
        if now > running.deadline:
            return NodeFault(f"the worker has not reported for {self._plan.hang_after}")
        return None

    def heard(self, render: RenderRow, report: SegmentReport | None) -> None:
        """Take note that a segment has ended, None where it failed: what was before it is saved."""
        self._held = {} if report is None or report.finished else {render.id: render}
        self._is_saved = report is None or report.saved

    def takes(self, render: RenderRow) -> bool:
        """Whether the worker can do a render."""
        return self.worker.takes(render.spec, self._plan.work(render.id))

    def let_go_of(self, running: Running) -> None:
        """Be free for others, unless the worker is busy with the next render already."""
        if self.running is running:
            self.running = None

    def rest(self) -> None:
        """Have the worker give its device back, for what it holds is saved and nothing is to do."""
        self.worker.rest()
        if not self.worker.is_up:
            self._held = {}

    def replace_worker(self, reason: str) -> None:
        """End the worker, whatever it does and holds."""
        self.worker.replace(reason)
        self._held = {}

    def _submitted(self, order: SegmentOrder) -> Future[SegmentReport]:
        """Return the future of a segment; one that has failed if there is no worker for it."""
        try:
            return self.worker.submit(order)
        except (NodeFault, WorldFault) as fault:
            future: Future[SegmentReport] = Future()
            future.set_exception(fault)
            return future

    def _order(self, render: RenderRow, seconds: float, following: str) -> SegmentOrder:
        return SegmentOrder(
            render_id=render.id,
            spec=render.spec,
            state=self._plan.state,
            work=self._plan.work(render.id),
            seconds=seconds,
            attempt=render.attempts,
            following=following,
        )


def why_nobody_takes(render: RenderRow, lanes: Iterable[Lane]) -> str | None:
    """Return that no worker can do a render, in words; None if one can, busy or not."""
    if any(lane.takes(render) for lane in lanes):
        return None
    return f"{shown(render.title)}: no worker that is there has the memory and the engine for it"
