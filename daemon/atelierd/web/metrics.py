"""`/metrics`: what monitoring draws its curves from, looked up when it asks.

Counts come from the ledger, so they outlive the daemon and are right in whichever process answers.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from atelierd import __version__
from atelierd.errors import AtelierError
from atelierd.ledger import Ledger
from atelierd.ledger.rows import RenderRow, Totals
from atelierd.ledger.states import JobState, Outcome, RenderState
from atelierd.settings import Settings
from atelierd.share import Role
from atelierd.trouble import read_trouble
from atelierd.web.health import daemon_here
from atelierd.web.sharefacts import ShareFacts

#: Outcomes after which the worker is another process.
_RESTARTS = (Outcome.NODE_FAULT, Outcome.WORLD_FAULT, Outcome.INTERRUPTED)


class Metrics:
    """The metrics of one daemon, for as long as the server lives."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._totals = _Rising()

    def text(self, accept: str, share: ShareFacts) -> tuple[bytes, str]:
        """Return the metrics, and the media type of the form that `accept` asks for."""
        encode, kind = choose_encoder(accept)
        registry = CollectorRegistry()
        registry.register(_Found([*self._families(share)]))
        return encode(registry), kind

    def _families(self, share: ShareFacts) -> Iterator[Metric]:
        yield InfoMetricFamily("atelierd", "The program.", value={"version": __version__})
        daemon = daemon_here(self.settings)
        yield _gauge("up", "Whether the daemon runs.", daemon is not None)
        trouble = bool(daemon and read_trouble(self.settings.state))
        yield _gauge("paused", "Whether the daemon waits for the share or a disk.", trouble)
        yield from self._share(share)
        yield self._memory(None if daemon is None else daemon.pid)
        # None is there before the daemon's first start, and its disk may fail.
        with contextlib.suppress(AtelierError):
            ledger = Ledger.open(self.settings.state / "ledger.sqlite", read_only=True)
            with contextlib.closing(ledger):
                yield from self._ledger(ledger)

    def _share(self, share: ShareFacts) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "atelierd_share_up", "Whether a folder of the share is usable.", labels=("folder",)
        )
        for role in Role:
            up.add_metric((role,), share.is_well(role))
        yield up
        disk = GaugeMetricFamily(
            "atelierd_disk_free_bytes", "What is free on the disk of a folder.", labels=("folder",)
        )
        if share.free is not None:
            disk.add_metric(("outbox",), share.free)
        with contextlib.suppress(OSError):
            disk.add_metric(("state",), shutil.disk_usage(self.settings.state).free)
        yield disk
        floor = self.settings.share.free_space
        yield _gauge("disk_floor_bytes", "What is kept free; below it, the queue waits.", floor)
        if share.waiting is not None:
            words = "Job files in the inbox that cannot be accepted yet."
            yield _gauge("inbox_waiting_files", words, share.waiting)

    def _ledger(self, ledger: Ledger) -> Iterator[Metric]:
        counts = ledger.counts()
        jobs = GaugeMetricFamily("atelierd_jobs", "Jobs by state.", labels=("state",))
        for job_state in JobState:
            jobs.add_metric((job_state,), counts.jobs[job_state])
        yield jobs
        renders = GaugeMetricFamily("atelierd_renders", "Renders by state.", labels=("state",))
        for state in RenderState:
            renders.add_metric((state,), counts.renders[state])
        yield renders
        words = "Renders that wait for a device, those of held jobs among them."
        yield _gauge("queue_depth", words, counts.renders[RenderState.QUEUED])
        yield from _pace(ledger.running())
        totals = self._totals.at_least(ledger.totals())
        for name, words, value in (
            ("iterations", "Iterations of all renders.", totals.iterations),
            ("evaluations", "Evaluations of the objective, of all renders.", totals.evaluations),
            ("iteration_seconds", "Seconds spent in iterations, of all renders.", totals.seconds),
        ):
            yield CounterMetricFamily(f"atelierd_{name}", words, value=value)
        outcomes = ledger.attempt_outcomes()
        attempts = CounterMetricFamily(
            "atelierd_attempts", "Attempts at renders that have ended.", labels=("outcome",)
        )
        for outcome in Outcome:
            attempts.add_metric((outcome,), outcomes.get(outcome, 0))
        yield attempts
        restarts = sum(outcomes.get(outcome, 0) for outcome in _RESTARTS)
        words = "Workers that were replaced: they had died, hung, met a full disk, or lost power."
        yield CounterMetricFamily("atelierd_worker_restarts", words, value=restarts)

    def _memory(self, pid: int | None) -> Metric:
        memory = GaugeMetricFamily(
            "atelierd_memory_bytes",
            "Resident memory of the daemon, of its workers, and what the machine has to spare.",
            labels=("of",),
        )
        memory.add_metric(("available",), psutil.virtual_memory().available)
        # Any of them may end just now.
        with contextlib.suppress(psutil.Error):
            if pid is not None:
                daemon = psutil.Process(pid)
                memory.add_metric(("daemon",), daemon.memory_info().rss)
                memory.add_metric(("workers",), sum(map(_resident, daemon.children(True))))
        return memory


class _Found(Collector):
    """Metrics that were looked up already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Return them."""
        return self._families


class _Rising:
    """Totals that never fall, as monitoring expects: a render that is begun anew loses its own."""

    def __init__(self) -> None:
        self._last = self._lost = Totals(0, 0, 0.0)

    def at_least(self, now: Totals) -> Totals:
        """Return `now` and what was lost since the first call."""
        last, lost = self._last, self._lost
        self._lost = lost = Totals(
            lost.iterations + max(last.iterations - now.iterations, 0),
            lost.evaluations + max(last.evaluations - now.evaluations, 0),
            lost.seconds + max(last.seconds - now.seconds, 0.0),
        )
        self._last = now
        return Totals(
            now.iterations + lost.iterations,
            now.evaluations + lost.evaluations,
            now.seconds + lost.seconds,
        )


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"atelierd_{name}", words, value=value)


def _pace(running: list[RenderRow]) -> Iterator[Metric]:
    """Yield how fast the renders are that run; nothing where none does, or has come anywhere."""
    iterations = sum(render.iteration for render in running)
    if iterations:
        words = "Of the renders that run now, on average since each began."
        pace = sum(render.seconds for render in running) / iterations
        yield _gauge("seconds_per_iteration", words, pace)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
