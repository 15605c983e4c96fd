"""Which render a lane begins with, and whether it should go on with the one that it has."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from atelierd.dispatch.aside import Aside
from atelierd.dispatch.lane import Lane, why_nobody_takes
from atelierd.dispatch.order import HighestPriority, Shares, next_render, next_taken, preempts
from atelierd.dispatch.rota import Rota
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, RunnableRender
from atelierd.ledger.states import JobState
from atelierd.render.segment import SegmentReport

#: Seconds after a try in vain until a job may take the device from another to be tried again: each
#: time costs a checkpoint, and a download that may be long in failing.
DISPLACES_AFTER = 600.0

#: Seconds before the end of a render in which the worker may decode the next one's pictures.
NEAR_THE_END = 10.0


class Chooser:
    """Looks at the queue for one lane; `lanes` are all that there are."""

    def __init__(self, ledger: Ledger, rota: Rota) -> None:
        self.aside = Aside()
        """Jobs whose own folders, or weights, cannot be used just now; the others go on."""
        self.stuck: str | None = None
        """Why there was nothing to begin with at the last look although something waits."""
        self._ledger = ledger
        self._rota = rota
        self._shares = Shares()
        self._highest = HighestPriority()

    def charge(self, source: str, seconds: float) -> None:
        """Count `seconds` of a device for the owner of the job file `source`."""
        self._shares.charge(source, seconds)

    def next_for(self, lane: Lane, lanes: Sequence[Lane], now: float) -> RunnableRender | None:
        """Return the render that a lane is to begin with; None if there is none for it now."""
        runnable = self._ledger.runnable()
        # One that another lane tries just now is to wait for longer if that is in vain.
        tried = {other.running.job.id for other in lanes if other.running}
        self.aside.keep_only({one.job_id for one in runnable} | tried)
        waiting = self.aside.reasons(now)
        shares = self._shares.of(runnable)
        open_to = self._rota.open_of(_open_to(lane, lanes, runnable, waiting))
        chosen = next_taken(
            open_to,
            shares,
            lambda one: self._is_taken(one, lane),
            previews_first=self._rota.previews_first,
        )
        self.stuck = next(iter(waiting.values())) if waiting and chosen is None else None
        if chosen is None and open_to:
            first = self._ledger.render(open_to[0].render_id)
            self.stuck = why_nobody_takes(first, lanes) or self.stuck
        return chosen

    def following(self, report: SegmentReport) -> str:
        """Return the render that is likely to be next when one has nearly come to its end.

        It is what the worker is told; empty if there is none, or for a while yet.
        """
        if (report.seconds_left or math.inf) >= NEAR_THE_END:
            return ""
        waiting = self._rota.open_of(self._ledger.runnable())
        likely = next_render(waiting, {}, previews_first=self._rota.previews_first)
        return "" if likely is None else self._ledger.render(likely.render_id).spec

    def why_to_stop(self, lane: Lane, lanes: Sequence[Lane], job: JobRow, now: float) -> str | None:
        """Return why a lane should not go on with a job that may be; None if it should."""
        if job.state is JobState.HELD:
            return "held"
        if lane.has_left:
            return f"{lane.worker.name} has left"
        runnable = self._ledger.runnable()
        is_outdone = self._highest.of(runnable) > job.priority
        if not is_outdone and not self._rota.previews_first:
            return None
        waiting = self.aside.reasons(now, DISPLACES_AFTER)
        open_to = self._rota.open_of(_open_to(lane, lanes, runnable, waiting))
        if self._rota.drafts_wait(
            one for one in open_to if one.drafted or self._is_taken(one, lane)
        ):
            return self._rota.why_draft(self._ledger, job)
        # Of several lanes' renders, the least urgent one yields whose worker can do the urgent one.
        calmer = [
            other
            for other in lanes
            if other.running and other.running.job.priority < job.priority and not other.has_left
        ]
        is_outdone = is_outdone and any(
            self._is_taken(one, lane) and not any(self._is_taken(one, other) for other in calmer)
            for one in open_to
            if preempts(one, job.priority)
        )
        return "a more urgent job takes the device" if is_outdone else None

    def _is_taken(self, render: RunnableRender, lane: Lane) -> bool:
        return lane.takes(self._ledger.render(render.render_id))


def _open_to(
    lane: Lane, lanes: Iterable[Lane], runnable: Iterable[RunnableRender], aside: Collection[str]
) -> Iterator[RunnableRender]:
    """Give the renders that a lane may take: those of jobs set aside wait.

    A job that another lane is busy with gets its draft there.
    """
    others = [other for other in lanes if other is not lane]
    elsewhere = {one for other in others for one in other.held}
    begun = {other.running.job.id for other in others if other.running}
    for one in runnable:
        if one.job_id not in aside and one.render_id not in elsewhere:
            yield replace(one, drafted=True) if one.job_id in begun else one
