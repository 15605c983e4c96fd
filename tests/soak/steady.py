"""The daemon that lives through all of it and is measured: everything but its own death."""

from __future__ import annotations

import errno
import os
import random
import signal
import socket
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from tests.faults.audit import audit, audit_after_a_week
from tests.faults.flaky import READING, WRITING, FlakyShare
from tests.faults.yard import Yard
from tests.soak.ears import LogReader, Manager
from tests.soak.people import PATIENCE, Errand, People
from tests.soak.samples import Rest, Sample, descriptors, take
from tests.unit.notify.servers import WebhookServer

from atelierd.share import MARKER_NAME

#: Seconds that a share is away, at most: the daemon looks again after ever longer pauses.
AWAY = 8.0
#: Seconds between two rests.
REST_EVERY = 600.0
SAMPLES_AT_REST = 6

_READ, _WRONG = "the configuration was read again;", "was read again and is not used"
_LATER = "taken up only by a restart"
_PATIENT = {"settle": "1 s", "scan_interval": "1 s"}
_CALM = {"segment": "300 ms"}


class Steady:
    """One daemon on a share that comes and goes, its workers killed, its configuration changed."""

    def __init__(
        self, root: Path, weights: Path, hook: WebhookServer, chance: random.Random
    ) -> None:
        """Make the yard on a FUSE mount and start the daemon. Raises OSError without FUSE."""
        self.yard = Yard(root / "steady", weights)
        self._chance = chance
        self._hook = hook
        self._port = _free_port()
        self._real = root / "steady-real"
        self.yard.share.rename(self._real)
        self.yard.share.mkdir()
        self._share = FlakyShare(self._real, self.yard.share, root / "orders")
        self.people = People(self.yard, chance)
        self.manager = Manager(root / "notify")
        self._configure()
        self.daemon = self.yard.start(environment={"NOTIFY_SOCKET": str(root / "notify")})
        # Before that, a broken configuration, a signal or a dead worker would end it, and rightly
        # so, and the service manager would hear nothing of a reload.
        self.daemon.wait_until(
            lambda: self.manager.heard["READY"] > 0, "a daemon that is up", PATIENCE
        )
        self.process = psutil.Process(self.daemon.pid)
        self.log = LogReader(self.daemon.log_path, (_READ, _WRONG, _LATER))
        self.done = self.people.done
        self.answers: Counter[str] = Counter()
        """How often the web server answered with which status."""
        self.samples: list[Sample] = []
        self.rests: list[Rest] = []

    def life(
        self,
        second: Callable[[], float],
        warm_up: float,
        until: Callable[[], float],
        pause: float,
    ) -> Errand:
        """Do everything once, then go on at random until so many seconds have passed; with rests.

        `pause`: about how many seconds pass between two things.
        """
        kinds = self._kinds()
        order = [kind for kind, _ in kinds]
        self._chance.shuffle(order)
        rested = 0.0
        while second() < until():
            kind = order.pop() if order else self._chance.choices(*zip(*kinds, strict=True))[0]
            self.done[kind.__name__.strip("_")] += 1
            yield from kind()
            yield self._chance.uniform(0.4, 1.6) * pause
            assert self.daemon.is_alive(), f"the daemon ended by itself:\n{self.daemon.log[-3000:]}"
            if second() - rested >= min(REST_EVERY, until() / 4):
                yield from self._rest(second)
                rested = second()
        yield from self._rest(second)
        while sum(rest.second >= warm_up for rest in self.rests) < 2:
            yield from self._rest(second)

    def sample(self, second: float) -> None:
        """Take down what the daemon takes now."""
        self.samples.append(take(self.process, second, len(self.daemon.workers())))

    def end(self) -> None:
        """Stop the daemon and check everything that it leaves. Raises AssertionError."""
        assert self.daemon.terminate() == 0
        self.log.read()
        assert not self.log.errors, self.log.errors[:5]
        told = {phrase: self.log.counts[phrase] for phrase in (_READ, _WRONG)}
        asked = {_READ: self.done["reloads"], _WRONG: self.done["broken reloads"]}
        assert told == asked, f"reloads: {asked} asked for, {told} taken up"
        reloads = sum(asked.values())
        assert self.manager.heard["RELOADING"] == reloads
        assert self.manager.heard["READY"] == reloads + 1
        audit(self.yard)
        audit_after_a_week(self.yard)

    def close(self) -> None:
        """Kill what still runs, and take the share away."""
        self.yard.end()
        self._share.unmount()

    def _kinds(self) -> list[tuple[Callable[[], Errand], int]]:
        people = self.people
        return [
            (people.good_job, 26),
            (people.bad_job, 6),
            (people.late_picture, 5),
            (people.second_thoughts, 6),
            (people.try_again, 3),
            (people.control_files, 3),
            (self._worker_killed, 7),
            (self._marker_gone, 4),
            (self._share_renamed, 4),
            (self._share_unmounted, 4),
            (self._share_failing, 5),
            (self._share_slow, 2),
            (self._reload, 8),
            (self._reload_of_a_broken_file, 4),
            (self._pages, 12),
        ]

    def _rest(self, second: Callable[[], float]) -> Errand:
        """Have everything done, and take samples of a daemon with a worker and without work."""
        yield from self.people.until(self.people.idle, "the queue to be empty")
        yield from self.people.good_job()
        yield from self.people.until(
            lambda: self.people.idle() and bool(self.daemon.workers()), "a rest"
        )
        # Connections of the web server and threads of answers end a moment later.
        yield 3.0
        yield from self._told(self._settled, "reload")
        samples = []
        for _ in range(SAMPLES_AT_REST):
            yield 1.0
            samples.append(take(self.process, second(), len(self.daemon.workers())))
        self.rests.append(Rest(tuple(samples), descriptors(self.daemon.pid)))

    def _worker_killed(self) -> Errand:
        yield from self.people.good_job()
        yield self._chance.uniform(0.0, 6.0)
        for worker in self.daemon.workers():
            try:
                worker.kill()
            except psutil.NoSuchProcess:
                continue
            self.done["workers killed"] += 1

    def _marker_gone(self) -> Errand:
        marker = self._real / "inbox" / MARKER_NAME
        away = self._real / "marker-away"
        marker.rename(away)
        try:
            yield self._chance.uniform(1, AWAY)
        finally:
            away.rename(marker)

    def _share_renamed(self) -> Errand:
        """The folder is gone from the server, another has its place, as when a disk is swapped."""
        folder = self._chance.choice(["inbox", "outbox"])
        away = self._real / f"{folder}-away"
        (self._real / folder).rename(away)
        (self._real / folder).mkdir()
        try:
            yield self._chance.uniform(1, AWAY)
        finally:
            # Whatever was written into the wrong folder would be lost: then this fails.
            (self._real / folder).rmdir()
            away.rename(self._real / folder)

    def _share_unmounted(self) -> Errand:
        self._share.crash()
        try:
            yield self._chance.uniform(0.5, AWAY / 2)
            self._share.unmount()
            yield self._chance.uniform(0.5, AWAY / 2)
        finally:
            self._share.unmount()
            self._share.mount()

    def _share_failing(self) -> Errand:
        error, operations = self._chance.choice(
            [
                (errno.ESTALE, READING),
                (errno.EIO, READING),
                (errno.EIO, WRITING),
                (errno.EACCES, WRITING),
                (errno.ENOSPC, WRITING),
            ]
        )
        self._share.fail(error, operations)
        try:
            yield self._chance.uniform(1, AWAY)
        finally:
            self._share.behave()

    def _share_slow(self) -> Errand:
        self._share.dawdle(0.05, (*READING, *WRITING))
        try:
            yield from self.people.good_job()
            yield self._chance.uniform(5, 12)
        finally:
            self._share.behave()

    def _configure(self, **changes: Any) -> None:
        """Write the configuration with a webhook; `changes` are whole sections but for two."""
        work = _CALM | changes.pop("work", {})
        share = _PATIENT | changes.pop("share", {})
        others = {
            "http": {"address": f"127.0.0.1:{self._port}"},
            "notify": {"webhooks": [{"url": self._hook.url}]},
            "log": "json",
        }
        self.yard.configure(work, share, **others | changes)

    def _settled(self) -> None:
        self._configure()

    def _changed(self) -> None:
        soon = datetime.now() + timedelta(minutes=1)
        changes: list[dict[str, Any]] = [
            {"share": {"settle": "700 ms", "scan_interval": "500 ms"}},
            {"share": {"missing_timeout": "2 h", "free_space": "1 MB"}},
            {"work": {"segment": "150 ms", "attempts": 99, "hang_after": "2 min"}},
            {"work": {"keep_inputs": "1 d"}},
            {"notify": {}},
            {"notify": {"webhooks": [{"url": self._hook.url, "events": ["failed"]}]}},
            {"morning_report": f"{soon:%H:%M}"},
            {"log": "text"},
            {"max_renders": 500, "max_pixels": 5_000_000},
            {"work": {"threads": 2}, "http": {}},
        ]
        self._configure(**self._chance.choice(changes))

    def _reload(self) -> Errand:
        yield from self._told(self._changed, "reload")

    def _reload_of_a_broken_file(self) -> Errand:
        def broken() -> None:
            text = self.yard.config.read_text()
            spoiled = self._chance.choice(
                ["share: {setle: 1 s}\n", "\tnonsense: [", "work: 5\n", f"{text}\nlog: loud\n", ""]
            )
            self.yard.config.write_text(spoiled)

        yield from self._told(broken, "broken reload")
        yield self._chance.uniform(0.0, 4.0)
        yield from self._told(self._settled, "reload")

    def _told(self, write: Callable[[], None], what: str) -> Errand:
        """Write the configuration, have it read, and wait until the daemon has done so."""
        phrase = _WRONG if what.startswith("broken") else _READ
        write()
        self.log.read()
        before = self.log.counts[phrase]
        self.daemon.signal(signal.SIGHUP)
        self.done[f"{what}s"] += 1

        def heard() -> bool:
            self.log.read()
            return self.log.counts[phrase] > before

        yield from self.people.until(heard, f"an answer to a {what}")

    def _pages(self) -> Errand:
        """Look at pages, as browsers do, some of which go away in the midst of an answer."""
        # Not `glob`, which fails when a folder is renamed or removed while it looks.
        found = os.walk(self._real / "outbox")
        pages = [Path(folder, name) for folder, _, names in found for name in names]
        some = self._chance.sample(pages, min(4, len(pages)))
        paths = [str(path.relative_to(self._real / "outbox")) for path in some]
        for path in ("", "healthz", "metrics", "status.json", "no/such/page", *paths):
            self._fetch(path, whole=self._chance.random() < 0.8)
            yield 0.1
        scripts = [path for path in pages if path.suffix == ".js"]
        for script in self._chance.sample(scripts, min(2, len(scripts))):
            self._fetch(f"{script.relative_to(self._real / 'outbox')}?follow", whole=False)
            yield 0.1

    def _fetch(self, path: str, *, whole: bool) -> None:
        address = f"http://127.0.0.1:{self._port}/{path.replace(' ', '%20')}"
        try:
            with urllib.request.urlopen(address, timeout=20) as answer:
                self.answers[str(answer.status)] += 1
                answer.read(-1 if whole else 10)
        except urllib.error.HTTPError as error:
            self.answers[str(error.code)] += 1
            error.close()
        except OSError as error:
            self.answers[type(error).__name__] += 1


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port
