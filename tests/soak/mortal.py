"""The daemon that dies again and again: killed, stopped, its share taken away; nothing is lost."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
from tests.faults.audit import audit, audit_after_a_week
from tests.faults.mounts import bound
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard
from tests.soak.ears import LogReader
from tests.soak.people import PATIENCE, Errand, People

from atelierd.ledger.states import Action, JobState

_WATCHING = "watching "


class Mortal:
    """One yard with a daemon that is started anew after each end."""

    def __init__(self, root: Path, weights: Path, chance: random.Random) -> None:
        """Make the yard on a mount of its own and start the first daemon."""
        self.yard = Yard(root / "mortal", weights)
        self._chance = chance
        self._real = root / "mortal-real"
        self.yard.share.rename(self._real)
        self.yard.share.mkdir()
        self._mount = ExitStack()
        self._mount.enter_context(bound(self._real, self.yard.share))
        self.yard.configure({"segment": "300 ms"}, {"settle": "500 ms", "scan_interval": "1 s"})
        self.people = People(self.yard, chance)
        self.done = self.people.done
        self.daemon = self._started()
        # The first one makes the ledger, which people look into.
        self.daemon.wait_for(_WATCHING, timeout=PATIENCE)

    def life(self, second: Callable[[], float], until: Callable[[], float], pause: float) -> Errand:
        """Do things at random until so many seconds have passed; about `pause` lie between two."""
        kinds: list[tuple[Callable[[], Errand], int]] = [
            (self.people.good_job, 35),
            (self.people.bad_job, 6),
            (self.people.second_thoughts, 6),
            (self._killed, 16),
            (self._worker_killed, 8),
            (self._all_killed, 6),
            (self._stopped, 10),
            (self._unmounted, 6),
            (self._hung_up, 7),
        ]
        order = [kind for kind, _ in kinds]
        self._chance.shuffle(order)
        while second() < until():
            kind = order.pop() if order else self._chance.choices(*zip(*kinds, strict=True))[0]
            self.done[kind.__name__.strip("_")] += 1
            yield from kind()
            yield self._chance.uniform(0.2, 1.8) * pause
            assert self.daemon.is_alive(), f"the daemon ended by itself:\n{self.daemon.log[-3000:]}"

    def end(self) -> None:
        """Have everything done and check what there is. Raises AssertionError."""
        self.daemon.end()
        self._release_all()
        assert self.yard.drain(timeout=900) in (0, 1)
        for process in self.yard.processes:
            log = LogReader(process.log_path, ())
            log.read()
            assert not log.errors, (process.log_path.name, log.errors[:5])
        audit(self.yard)
        audit_after_a_week(self.yard)

    def close(self) -> None:
        """Kill what still runs, and take the share away."""
        self.yard.end()
        self._mount.close()

    def _started(self) -> DaemonProcess:
        self.log: LogReader | None = None
        daemon = self.yard.start()
        self.log = LogReader(daemon.log_path, (_WATCHING,))
        return daemon

    def _killed(self) -> Errand:
        self.daemon.kill()
        yield self._chance.uniform(0.0, 2.0)
        self.daemon = self._started()

    def _worker_killed(self) -> Errand:
        yield from self.people.good_job()
        yield self._chance.uniform(0.0, 6.0)
        self._kill_workers()

    def _all_killed(self) -> Errand:
        yield from self.people.good_job()
        yield self._chance.uniform(0.0, 5.0)
        self._kill_workers()
        self.daemon.kill()
        self.daemon = self._started()

    def _kill_workers(self) -> None:
        for worker in self.daemon.workers():
            try:
                worker.kill()
            except psutil.NoSuchProcess:
                continue
            self.done["workers killed"] += 1

    def _stopped(self) -> Errand:
        """Stopped as a service manager does it, once it has come up."""
        yield from self._up()
        self.daemon.signal(signal.SIGTERM)
        yield from self.people.until(lambda: not self.daemon.is_alive(), "an end after SIGTERM")
        assert self.daemon.code == 0, f"stopped with {self.daemon.code}:\n{self.daemon.log[-3000:]}"
        self.daemon = self._started()

    def _unmounted(self) -> Errand:
        self._mount.close()
        try:
            yield self._chance.uniform(1.0, 6.0)
            if self._chance.random() < 0.3:
                # A start without a share waits for it.
                self.daemon.kill()
                self.daemon = self._started()
                yield self._chance.uniform(1.0, 4.0)
            left = list(self.yard.share.iterdir())
            assert not left, f"the mount point was written to: {left}"
        finally:
            self._mount.enter_context(bound(self._real, self.yard.share))

    def _hung_up(self) -> Errand:
        """Told to read its configuration, then killed while it may be at it."""
        yield from self._up()
        self.daemon.signal(signal.SIGHUP)
        yield self._chance.uniform(0.0, 0.3)
        self.daemon.kill()
        self.daemon = self._started()

    def _up(self) -> Errand:
        def watching() -> bool:
            assert self.log is not None
            self.log.read()
            return self.log.counts[_WATCHING] > 0

        yield from self.people.until(watching, "a daemon to come up")

    def _release_all(self) -> None:
        """Let those go on whose owners were cut off between two thoughts."""
        ledger = self.yard.ledger()
        try:
            held = [job.source for job in ledger.jobs((JobState.HELD,))]
        finally:
            ledger.close()
        for source in held:
            self.people.ask(Action.RELEASE, source)
