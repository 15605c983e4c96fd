"""What the configuration means for the parts of a daemon: one plan for each."""

from __future__ import annotations

from atelierd.dispatch.dispatcher import DispatchPlan
from atelierd.housekeeping import Housekeeping
from atelierd.images import ImageLimits
from atelierd.inbox.keeper import InboxPlan
from atelierd.jobs.presets import shipped_config
from atelierd.ledger.reader import LedgerReader
from atelierd.outbox.retention import Retention
from atelierd.render.resident import EngineOptions
from atelierd.settings import Settings


def inbox_plan(settings: Settings) -> InboxPlan:
    """Return where the inbox's work happens, and within which bounds."""
    own_presets = (settings.presets,) if settings.presets else ()
    return InboxPlan(
        inbox=settings.inbox,
        outbox=settings.outbox,
        state=settings.state,
        presets=(*own_presets, shipped_config() / "presets"),
        settle=settings.share.settle,
        missing_timeout=settings.share.missing_timeout,
        free_space=settings.share.free_space,
        limits=ImageLimits(max_pixels=settings.max_pixels),
        most_renders=settings.max_renders,
        timetable=settings.schedule.timetable,
    )


def housekeeping(settings: Settings, ledger: LedgerReader) -> Housekeeping:
    """Return what throws away what nobody needs any more."""
    outbox, state = settings.outbox, settings.state
    retention = Retention(outbox, state, settings.retention, ledger)
    keep = settings.work.keep_inputs
    return Housekeeping(settings.inbox, outbox, state, keep, ledger, retention)


def dispatch_plan(settings: Settings) -> DispatchPlan:
    """Return where renders are worked on, and within which bounds."""
    return DispatchPlan(
        state=settings.state,
        outbox=settings.outbox,
        segment=settings.work.segment,
        attempts=settings.work.attempts,
        hang_after=settings.work.hang_after,
        free_space=settings.share.free_space,
    )


def engine_options(settings: Settings) -> EngineOptions:
    """Return what a worker needs to make engines, on the first of the devices."""
    return EngineOptions(
        weights_folder=settings.weights_folder,
        weights_sources=tuple(settings.weights.sources.items()),
        device=settings.work.device[0],
        threads=settings.work.threads,
        compile_mode=settings.work.compile,
        cntk_folder=settings.state / "cntk",
    )
