"""The daemon: one loop that gives inbox, dispatcher and desk their turns.

No turn waits for a worker, and what a turn does on the share is boxed in time, so that thousands of
new jobs do not keep the device waiting. Recovery after a kill is no special path: the first turns
find what is unfinished and go on with it (rule 20).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from atelierd import systemd
from atelierd.allocator import share_one_heap
from atelierd.announcer import Announcer, Glance
from atelierd.dispatch.dispatcher import Dispatcher
from atelierd.dispatch.foretelling import Foreteller
from atelierd.dispatch.rota import Rota
from atelierd.draining import Drain
from atelierd.errors import ConfigError, WorldFault
from atelierd.executors import open_fleet
from atelierd.exits import Exit
from atelierd.failpoints import failpoint
from atelierd.inbox.keeper import Inbox, InboxReport
from atelierd.inbox.owner import Ownership, runtime_folder
from atelierd.inbox.readings import WaitKind
from atelierd.inbox.watch import InboxWatch
from atelierd.ledger import Ledger
from atelierd.ledger.states import RenderState
from atelierd.lifeline import Lifeline, Pulse
from atelierd.notify.post import PostOffice
from atelierd.outbox.desk import Desk
from atelierd.outbox.folder import folder_exists
from atelierd.outbox.morning import MorningReports
from atelierd.outbox.overview import WaitingFile
from atelierd.outbox.prospects import Forecaster
from atelierd.outbox.retention import removed_between
from atelierd.patience import Patience
from atelierd.plans import dispatch_plan, engine_options, housekeeping, inbox_plan
from atelierd.reloading import Reloader
from atelierd.settings import Settings
from atelierd.signals import ReloadSignal, StopSignals, Wake
from atelierd.stopwait import StopWait
from atelierd.worldfaults import as_world_fault

if TYPE_CHECKING:
    from atelierd.web.server import WebServer

logger = logging.getLogger(__name__)

#: Longest sleep of the loop.
IDLE_SLEEP = timedelta(seconds=1)
#: Shortest time between two scans, however many events arrive.
SCAN_AT_MOST_EVERY = timedelta(milliseconds=250)
#: Time that a turn may spend on showing things in the outbox.
DESK_BOX = timedelta(milliseconds=500)


class _Alarm(threading.Event):
    """An event of its own that also wakes the loop."""

    def __init__(self, wake: Wake) -> None:
        super().__init__()
        self._wake = wake

    def set(self) -> None:
        """Raise the alarm and wake the loop."""
        super().set()
        self._wake.set()


class Service:
    """A daemon on one inbox."""

    def __init__(
        self,
        settings: Settings,
        *,
        drain: bool = False,
        watcher: Callable[[Glance], None] = lambda _: None,
        reread: Callable[[], Settings] | None = None,
        adopted: Callable[[Settings], None] = lambda _: None,
    ) -> None:
        """With `drain`, `run` ends when inbox and queue are empty; `watcher` sees every turn.

        `reread` returns what the settings' file says now, or raises ConfigError; `adopted` is told
        the settings that hold from then on.
        Raises ConfigError if a secret that the settings name cannot be read.
        """
        self._settings = settings
        self._drains = drain
        self._wake = Wake()
        self._arrivals = _Alarm(self._wake)
        self._signals = StopSignals(self._wake.set)
        self._hangup = ReloadSignal(self._wake.set)
        self._reloader = Reloader(
            self._hangup,
            reread or (lambda: self._settings),
            self._adopt,
            lambda: self._lifeline.is_up,
        )
        self._scan_at = self._scanned_at = float("-inf")
        self._inbox_report = InboxReport()
        self._desk_fault: str | None = None
        self._ledger_fault: str | None = None
        self._drain: Drain | None = None
        self._post = PostOffice(settings.notify)
        self._rota = Rota.of(settings.schedule)
        self._watcher = watcher
        self._adopted = adopted
        self._announcer = Announcer(settings.state, self._see)
        self._patience = Patience(self._announcer.hangs)
        self._web: WebServer | None = None

    def run(self) -> Exit:
        """Work until a signal, or until all is done for a drain; return the exit code.

        Raises ConfigError if the settings cannot be worked with, InboxHeldError if another daemon
        has the inbox.
        """
        settings = self._settings
        share_one_heap()
        with ExitStack() as held:
            held.enter_context(self._signals.caught())
            held.enter_context(self._hangup.caught())
            ownership = self._take_ownership()
            held.callback(ownership.release)
            ledger = Ledger.open(settings.state / "ledger.sqlite")
            held.callback(ledger.close)
            self._post.start(settings.state / "ledger.sqlite")
            held.callback(self._stop_post)
            self._drain = Drain(ledger, self._rota) if self._drains else None
            self._recover(ledger)
            failpoint("service.recovered")
            watch = InboxWatch(settings.inbox, self._arrivals)
            held.callback(watch.stop)
            self._make_parts(ledger, ownership, watch)
            held.enter_context(self._patience)
            self._serve(held)
            # Claims the room in which trouble is told, while there is some.
            self._announcer.trouble(())
            logger.info("watching %s; results go to %s", settings.inbox, settings.outbox)
            try:
                self._loop(ledger, watch)
            finally:
                systemd.notify(stopping=True)
                waits = StopWait(self._signals, lambda time: systemd.notify(more_time=time))
                self._dispatcher.stop(waits.for_iteration, waits.for_checkpoint)
                self._show_last()
            if self._drain is None or self._signals.stop:
                return Exit.OK
            return self._drain.exit_code(self._inbox_report, troubled=bool(self._trouble()))

    @staticmethod
    def _recover(ledger: Ledger) -> None:
        try:
            for render in ledger.recover():
                logger.info("%s was interrupted at iteration %d", render.title, render.iteration)
        except WorldFault as fault:
            # The dispatcher queues what nobody works on, as soon as the ledger can be written.
            logger.error("what ran before is taken up later: %s", fault)

    def _serve(self, held: ExitStack) -> None:
        """Show the outbox over HTTP, if that is wanted; whatever fails in there stays in there."""
        address = self._settings.http.address
        if address is None:
            return
        # Imported here: most daemons serve nothing.
        from atelierd.web.server import WebServer

        self._web = WebServer(self._settings, address)
        self._web.start()
        held.callback(self._web.stop)

    def _take_ownership(self) -> Ownership:
        settings = self._settings
        try:
            with as_world_fault(settings.state):
                settings.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{settings.state}: the state folder cannot be made: {error.strerror}"
            ) from error
        return Ownership.take(
            settings.inbox,
            state=settings.state,
            runtime=runtime_folder(),
            now=time.monotonic(),
            wall=datetime.now(UTC),
        )

    def _see(self, glance: Glance) -> None:
        self._post.see(glance.trouble)
        self._watcher(glance)

    def _stop_post(self) -> None:
        self._post.stop(drained=self._drains and not self._signals.stop)

    def _make_parts(self, ledger: Ledger, ownership: Ownership, watch: InboxWatch) -> None:
        settings = self._settings
        self._inbox = Inbox(
            inbox_plan(settings),
            ledger,
            ownership,
            folder_taken=lambda name: folder_exists(settings.outbox, name),
            take_arrivals=watch.take_arrivals,
        )
        fleet = open_fleet(settings, engine_options(settings), self._wake.set)
        timetable = settings.schedule.timetable
        self._forecaster = Forecaster(ledger, timetable, lambda: len(fleet.workers()))
        self._desk = Desk(ledger, settings.outbox, settings.state, time.monotonic, self._forecaster)
        self._foreteller = Foreteller.of(settings, ledger)
        self._morning = MorningReports(
            ledger,
            settings.outbox,
            settings.morning_report,
            removed=partial(removed_between, settings.state),
        )
        self._housekeeping = housekeeping(settings, ledger)
        self._plan = dispatch_plan(settings)
        self._dispatcher = Dispatcher(
            self._plan,
            ledger,
            fleet,
            changed=self._desk.changed,
            woken=self._wake.set,
            rota=self._rota,
        )
        # Elsewhere, and in a drain, the first job shows it.
        is_asked = systemd.is_asked() and not self._drains
        self._lifeline = Lifeline(
            fleet.prove() if is_asked else (), period=systemd.watchdog_period()
        )

    def _adopt(self, settings: Settings) -> None:
        """Work by changed settings from now on. Raises ConfigError; then nothing has changed."""
        self._post.change(settings.notify, settings.state / "ledger.sqlite")
        self._settings = settings
        self._inbox.change(inbox_plan(settings))
        self._plan.adopt(dispatch_plan(settings))
        self._rota.change(settings.schedule)
        self._forecaster.timetable = settings.schedule.timetable
        self._morning.at = settings.morning_report
        self._housekeeping.keep_inputs = settings.work.keep_inputs
        self._housekeeping.retention.settings = settings.retention
        if self._web is not None:
            self._web.change(settings)
        self._adopted(settings)

    def _loop(self, ledger: Ledger, watch: InboxWatch) -> None:
        while not self._signals.stop:
            self._wake.clear()
            now = time.monotonic()
            try:
                self._reloader.turn(self._settings)
                self._turn(watch, now)
                self._ledger_fault = None
                is_over = self._is_drained(now)
                self._announcer.announce(self._glance(ledger))
            except WorldFault as fault:
                # Only the ledger's own disk: the parts see to the faults of the others.
                if str(fault) != self._ledger_fault:
                    logger.error("everything waits: %s", fault)
                self._ledger_fault = str(fault)
                self._announcer.trouble(self._trouble())
                is_over = self._drain is not None and self._drain.has_waited_long_enough(now)
            if is_over:
                self._lifeline.ends()
                return
            self._lifeline.turned(self._pulse(now))
            self._wake.wait(self._sleep(now))
        self._signals.log()

    def _turn(self, watch: InboxWatch, now: float) -> None:
        """Give each part its turn. Raises WorldFault if the ledger cannot be read or written."""
        settings = self._settings
        with self._patience.waiting_for(f"the inbox {settings.inbox}"):
            watch.keep(now)
            self._turn_inbox(now)
        with self._patience.waiting_for(f"the outbox {settings.outbox}, or a new worker process,"):
            self._dispatcher.turn(now)
        full: WorldFault | None = None
        try:
            self._foreteller.turn()
        except WorldFault as fault:
            # The ledger's disk is full: told at the end of the turn, for housekeeping makes room.
            full = fault
        with self._patience.waiting_for(f"the outbox {settings.outbox}"):
            self._turn_desk()
        with self._patience.waiting_for("the share, asked for old temporary files,"):
            self._housekeeping.turn(datetime.now(UTC))
        if full is not None:
            raise full

    def _turn_inbox(self, now: float) -> None:
        rested = now >= self._scanned_at + SCAN_AT_MOST_EVERY.total_seconds()
        if now < self._scan_at and not (rested and self._arrivals.is_set()):
            return
        self._arrivals.clear()
        self._scanned_at = now
        report = self._inbox.turn(now, datetime.now(UTC))
        self._inbox_report = report
        for accepted in report.accepted:
            self._desk.changed(accepted.job_id)
        settling = any(one.kind is WaitKind.SETTLING for one in report.waiting)
        pause = self._settings.share.scan_interval
        if settling:
            pause = min(pause, self._settings.share.settle)
        self._scan_at = now if report.ready else now + pause.total_seconds()

    def _turn_desk(self) -> None:
        now = datetime.now(UTC)
        waiting = [
            WaitingFile(one.path, one.reason, (now - one.waited).replace(microsecond=0))
            for one in self._inbox_report.waiting
        ]
        until = time.monotonic() + DESK_BOX.total_seconds()
        try:
            self._morning.turn(now, until, waiting, self._trouble())
            self._desk.turn(waiting, self._trouble(), until, self._seconds_left())
        except WorldFault as fault:
            if str(fault) != self._desk_fault:
                logger.error("the outbox cannot be written: %s", fault)
            self._desk_fault = str(fault)
        else:
            self._desk_fault = None

    def _seconds_left(self) -> dict[str, float]:
        return {
            working.render.id: working.report.seconds_left
            for working in self._dispatcher.working
            if working.report is not None and working.report.seconds_left is not None
        }

    def _trouble(self) -> tuple[str, ...]:
        faults = (
            self._inbox_report.fault,
            self._dispatcher.fault,
            self._desk_fault,
            self._ledger_fault,
        )
        return tuple(dict.fromkeys(fault for fault in faults if fault is not None))

    def _pulse(self, now: float) -> Pulse:
        return Pulse(
            now=now,
            next_scan=self._scan_at,
            share_fault=self._inbox_report.fault or self._desk_fault or self._ledger_fault,
            waits=bool(self._trouble()),
            deadlines=tuple(working.deadline for working in self._dispatcher.working),
        )

    def _glance(self, ledger: Ledger) -> Glance:
        return Glance(
            self._dispatcher.working,
            ledger.counts().renders[RenderState.QUEUED],
            tuple(str(one) for one in self._inbox_report.waiting),
            self._trouble(),
            self._rota.told_resting(ledger),
            self._reloader.fault,
        )

    def _is_drained(self, now: float) -> bool:
        return self._drain is not None and self._drain.is_over(
            now,
            self._inbox_report,
            troubled=bool(self._trouble()),
            working=bool(self._dispatcher.working),
            behind=self._desk.is_behind or self._morning.is_behind,
        )

    def _sleep(self, now: float) -> float:
        until_scan = self._scan_at - now
        return max(0.01, min(IDLE_SLEEP.total_seconds(), until_scan))

    def _show_last(self) -> None:
        """Write what has changed since the last turn; the daemon is about to end."""
        try:
            self._desk.turn((), (), time.monotonic() + DESK_BOX.total_seconds(), last=True)
        except WorldFault as fault:
            logger.warning("not shown in the outbox: %s", fault)
