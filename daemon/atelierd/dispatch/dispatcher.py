"""The dispatcher: picks the next render, has a worker do its segments, and sees to what comes.

Its `turn` never blocks on a worker. Everything it decides is in the ledger first, so that a kill
between any two lines leaves a state from which the next start goes on (rules 14, 16 and 20).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from atelierd.dispatch.bookkeeping import Bookkeeper
from atelierd.dispatch.choosing import Chooser
from atelierd.dispatch.fleet import Fleet
from atelierd.dispatch.lane import Lane
from atelierd.dispatch.pause import Pause
from atelierd.dispatch.publishing import Publisher
from atelierd.dispatch.releasing import Releasing
from atelierd.dispatch.rota import Rota
from atelierd.dispatch.running import DispatchPlan, Running, Working
from atelierd.dispatch.stopping import Stopping, Wait
from atelierd.dispatch.world import check_world, is_world_well
from atelierd.errors import JobFault, LackingFault, NodeFault, OutOfMemoryFault, WorldFault
from atelierd.failpoints import failpoint
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, RunnableRender
from atelierd.ledger.states import Outcome
from atelierd.outbox.publish import verify_manifest
from atelierd.render.chosen import note_out_of_memory
from atelierd.render.segment import SegmentReport, clear_work
from atelierd.wording import shown

__all__ = ["DispatchPlan", "Dispatcher", "Working"]

logger = logging.getLogger(__name__)


class Dispatcher:
    """Keeps the devices busy with the renders of the ledger, each in a lane of its own."""

    def __init__(
        self,
        plan: DispatchPlan,
        ledger: Ledger,
        fleet: Fleet,
        *,
        changed: Callable[[str], None],
        woken: Callable[[], None],
        rota: Rota | None = None,
    ) -> None:
        """Tell `changed` the id of each job that changes, and `woken` of each segment's end."""
        self._plan = plan
        self._ledger = ledger
        self._fleet = fleet
        self._changed = changed
        self._woken = woken
        self._books = Bookkeeper(plan, ledger, changed)
        self._publisher = Publisher(plan, ledger)
        self._lanes: list[Lane] = []
        self._pause = Pause()
        self._rota = rota or Rota()
        self._chooser = Chooser(ledger, self._rota)
        self._releasing = Releasing(plan, self._books, self._rota)

    @property
    def fault(self) -> str | None:
        """Why renders wait that could be worked on, in words; None if none does."""
        of_lanes = (lane.pause.reason for lane in self._lanes)
        reasons = (self._pause.reason, self._fleet.fault, *of_lanes, self._chooser.stuck)
        return next((reason for reason in reasons if reason is not None), None)

    @property
    def working(self) -> tuple[Working, ...]:
        """What the devices are busy with."""
        return tuple(running.seen for running in self._running())

    def turn(self, now: float) -> None:
        """See to the segments that have ended, and keep the devices busy. `now` is monotonic.

        Where the ledger cannot take down what has happened, for its disk is full, that is kept
        and tried again: the segment counts as running until the ledger knows how it ended.
        """
        self._match_lanes()
        for lane in self._lanes:
            if self._pause.lasts(now):
                return
            if lane.pause.lasts(now):
                continue
            try:
                self._turn_of(lane, now)
            except WorldFault as fault:
                self._wait(lane, str(fault), now)
            except OSError as error:
                self._wait(lane, f"the state folder or the outbox: {error}", now)

    def stop(self, wait: Wait, wait_for_checkpoint: Wait | None = None) -> None:
        """Stop at the next iteration with a checkpoint, and end the workers.

        `wait` waits for a future and says whether it is done; False means there is no more time.
        `wait_for_checkpoint` does so while one is written; left out, `wait`.
        """
        stopping = Stopping(self._plan, self._ledger, self._books, wait_for_checkpoint or wait)
        try:
            for lane in self._lanes:
                try:
                    stopping.stop(lane, wait)
                except WorldFault as fault:
                    # The next start finds it running in the ledger and goes on with it.
                    logger.warning("the stop could not be recorded: %s", fault)
        finally:
            self._fleet.stop()

    def _running(self) -> list[Running]:
        return [lane.running for lane in self._lanes if lane.running is not None]

    def _match_lanes(self) -> None:
        """Have a lane for each worker that there is, and for those whose last segment is open."""
        workers = self._fleet.workers()
        if [lane.worker for lane in self._lanes] == list(workers):
            return
        known = {id(lane.worker): lane for lane in self._lanes}
        there = {id(worker): worker for worker in workers}
        lanes = [
            known.get(key) or Lane(self._plan, worker, self._woken) for key, worker in there.items()
        ]
        gone = [lane for key, lane in known.items() if key not in there and lane.running]
        for lane in gone:
            lane.has_left = True
        self._lanes = lanes + gone

    def _turn_of(self, lane: Lane, now: float) -> None:
        if lane.running is not None:
            outcome = lane.outcome(lane.running, now)
            if outcome is not None:
                self._conclude(lane, lane.running, outcome, now)
        if lane.running is None:
            self._begin(lane, now)
        if lane.running is None and self._releasing.turn(lane):
            self._resume(lane)

    def _begin(self, lane: Lane, now: float, ending: str = "") -> None:
        """Begin with the next render, if there is one and the world lets it. Raises WorldFault.

        `ending` is the one that has come to its end and is still to be published.
        """
        if lane.has_left:
            return
        under_way = {running.render.id for running in self._running()} | {ending}
        for stray in self._ledger.running():
            # One that was begun just when the ledger's disk failed.
            if stray.id not in under_way:
                self._ledger.requeue_render(stray.id, Outcome.WORLD_FAULT, self.fault or "")
        chosen = self._choose(lane, now)
        if chosen is None:
            return
        check_world(self._plan.outbox, self._plan.state, self._plan.free_space)
        render = self._ledger.render(chosen.render_id)
        job = self._ledger.job_by_id(chosen.job_id)
        try:
            folder = self._publisher.folder(job)
            is_finished = verify_manifest(folder, render.title)
        except JobFault as fault:
            self._books.fail(job, render, str(fault))
            self._woken()
            return
        except WorldFault as fault:
            self._blame(job, fault, now)
            return
        if is_finished:
            # Published before a kill, and not yet recorded (rule 14).
            self._books.finish(job, render)
            failpoint("dispatch.found_finished")
            self._resume(lane)
            clear_work(self._plan.work(render.id))
            logger.info("%s: found finished, recorded", shown(render.title))
            self._woken()
            return
        if render.attempts >= self._plan.attempts:
            self._books.give_up(render, "its worker died, or the daemon was stopped hard")
            self._woken()
            return
        try:
            pid = lane.worker.start()
        except NodeFault as fault:
            raise WorldFault(f"{fault}; trying again") from fault
        attempt = self._ledger.begin_attempt(render.id, pid)
        failpoint("dispatch.attempt_begun")
        self._books.tell_begun(job, render, attempt)
        draft = self._rota.wants_draft(self._ledger, job)
        lane.submit(job, self._ledger.render(render.id), folder, now, None, draft=draft)
        self._changed(job.id)

    def _choose(self, lane: Lane, now: float) -> RunnableRender | None:
        """Return the render that a lane is to begin with; None if there is none for it now."""
        chosen = self._chooser.next_for(lane, self._lanes, now)
        is_paused = bool(lane.pause.reason or self._pause.reason)
        # A checkpoint that is still to be written will show it.
        if chosen is None and is_paused and not self._releasing.is_saving(lane):
            if self._ledger.runnable():
                # Nothing is begun that would show whether the world is well again.
                check_world(self._plan.outbox, self._plan.state, self._plan.free_space)
            self._resume(lane)
        return chosen

    def _conclude(
        self,
        lane: Lane,
        running: Running,
        outcome: SegmentReport | JobFault | NodeFault | WorldFault,
        now: float,
    ) -> None:
        """Act on what a segment has come to; done again, it changes nothing more.

        Raises WorldFault if the ledger cannot be written; then nothing is lost, for the segment's
        future still has what it came to.
        """
        if isinstance(outcome, (NodeFault, WorldFault)) and not isinstance(outcome, LackingFault):
            # What it met may stay with the process: a poisoned device, a stale mount.
            lane.replace_worker(str(outcome))
        lane.heard(running.render, outcome if isinstance(outcome, SegmentReport) else None)
        if not self._books.is_running(running.render.id):
            self._books.let_go(running.job, running.render)
            lane.running = None
        elif isinstance(outcome, SegmentReport):
            self._proceed(lane, running, outcome, now)
        else:
            self._end_by(outcome, lane, running, now)

    def _end_by(
        self, fault: JobFault | NodeFault | WorldFault, lane: Lane, running: Running, now: float
    ) -> None:
        if isinstance(fault, JobFault):
            self._books.fail(running.job, running.render, str(fault))
            self._resume(lane)
        elif isinstance(fault, NodeFault):
            if isinstance(fault, OutOfMemoryFault):
                # The next attempt plans with less (rule 17).
                note_out_of_memory(running.order.work)
            self._books.count_failure(running.render, str(fault))
        else:
            self._books.put_off(running.render, str(fault))
        lane.let_go_of(running)
        if isinstance(fault, LackingFault):
            self._blame(running.job, fault, now, self._books.of_same_network(running.job))
        elif isinstance(fault, WorldFault):
            raise fault

    def _proceed(self, lane: Lane, running: Running, report: SegmentReport, now: float) -> None:
        for line in report.log:
            logger.info("%s: %s", shown(running.render.title), line)
        self._record(running, report)
        failpoint("dispatch.reported")
        try:
            if report.finished:
                self._finish(lane, running, report, now)
            else:
                self._go_on(lane, running, report, now)
        except JobFault as fault:
            self._end_by(fault, lane, running, now)
        except WorldFault as fault:
            self._books.put_off(running.render, str(fault))
            lane.let_go_of(running)
            self._blame(running.job, fault, now)
        else:
            self._chooser.aside.end(running.job.id)
            self._resume(lane)

    def _record(self, running: Running, report: SegmentReport) -> None:
        self._books.record(running.job, report)
        before = running.render.seconds if running.report is None else running.report.seconds
        self._chooser.charge(running.job.source, report.seconds - before)

    def _go_on(self, lane: Lane, running: Running, report: SegmentReport, now: float) -> None:
        """Submit the next segment unless something else is to be done first; then publish."""
        if running.unpublished:
            self._publisher.snapshots(running)
        render = self._ledger.render(running.render.id)
        job = self._ledger.job_by_id(running.job.id)
        closed = self._rota.why_closed(job.wishes)
        why = self._chooser.why_to_stop(lane, self._lanes, job, now) or closed
        if why is None:
            check_world(self._plan.outbox, self._plan.state, self._plan.free_space)
            following, draft = (
                self._chooser.following(report),
                self._rota.wants_draft(self._ledger, job),
            )
            lane.submit(job, render, running.folder, now, report, following, draft=draft)
        elif closed and not report.saved:
            # It may be long until it goes on.
            lane.submit(job, render, running.folder, now, report, saves=True)
        else:
            self._books.put_back(render, why)
            lane.running = None
        if lane.running is None:
            failpoint("dispatch.put_back")
        try:
            self._publisher.snapshots(running)
        except WorldFault as fault:
            if lane.running is None:
                raise
            # The next segment is under way; when it has ended, this is tried again.
            logger.warning("%s", fault)
            lane.running.unpublished = True
        else:
            if lane.running is not None:
                lane.running.folder = running.folder

    def _finish(self, lane: Lane, running: Running, report: SegmentReport, now: float) -> None:
        """Begin with the next render, then publish this one: the device need not wait for that.

        Killed in between, both are found in the ledger as running; this one's checkpoint holds its
        end, so it is published without an iteration.
        """
        render = running.render
        lane.running = None
        try:
            self._begin(lane, now, ending=render.id)
        except (WorldFault, OSError) as fault:
            # It may be over when this one is published; if not, the next turn meets it again.
            logger.warning("%s", fault)
        failpoint("dispatch.next_begun")
        self._publisher.result(running, report.receipt)
        failpoint("dispatch.published")
        self._books.finish(running.job, render)
        failpoint("dispatch.recorded")
        clear_work(self._plan.work(render.id))
        failpoint("dispatch.cleared")
        self._books.tell_done(running.job, render, report)

    def _blame(
        self, job: JobRow, fault: WorldFault, now: float, others: Sequence[str] = ()
    ) -> None:
        """Set one job aside, and `others` with it, if the world is well; else raise `fault` again.

        People can do with a job's folder what they like, or ask for a network whose weights this
        machine lacks, and that must not stop the others.
        """
        if not is_world_well(self._plan.outbox, self._plan.state, self._plan.free_space):
            raise fault
        if self._chooser.aside.begin(job.id, str(fault), now, others):
            logger.error("%s waits, the others go on: %s", shown(job.folder), fault)
        self._changed(job.id)
        self._woken()

    def _wait(self, lane: Lane, reason: str, now: float) -> None:
        """Have the queue wait, or one lane alone where the world is well and others go on."""
        if len(self._lanes) > 1 and is_world_well(
            self._plan.outbox, self._plan.state, self._plan.free_space
        ):
            reason = f"{lane.worker.name}: {reason}"
            if lane.pause.begin(reason, now):
                logger.error("a device waits, the others go on: %s", reason)
        elif self._pause.begin(reason, now):
            logger.error("the queue waits: %s", reason)

    def _resume(self, lane: Lane) -> None:
        if lane.pause.end():
            logger.info("%s goes on", lane.worker.name)
        if self._pause.end():
            logger.info("the queue goes on")
