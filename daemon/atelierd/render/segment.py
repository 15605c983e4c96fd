"""What a worker process does in one go: some iterations of one render, plain data in and out.

The live render stays in the process between segments, so that the next one costs nothing; where it
is not there (a new process, another render in between) it is rebuilt from its last checkpoint.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atelierd import durable
from atelierd.errors import JobFault
from atelierd.failpoints import failpoint
from atelierd.images import ACCEPTED_LIMITS, SUFFIXES
from atelierd.jobs.frozen import FrozenImage, FrozenRender, input_path
from atelierd.render.ahead import Ahead
from atelierd.render.background import Background
from atelierd.render.chosen import choose
from atelierd.render.estimate import seconds_left
from atelierd.render.live import LiveRender, course_of
from atelierd.render.memory import memory_of
from atelierd.render.planning import planner_for, told
from atelierd.render.previews import snapshot_taken, write_inputs, write_now
from atelierd.render.products import picture_taken, receipt
from atelierd.render.resident import EngineOptions, Resident
from atelierd.render.scene import Scene
from atelierd.wording import shown

logger = logging.getLogger(__name__)

#: Share of the working time that checkpoints may take.
CHECKPOINT_SHARE = 0.05
#: Seconds between checkpoints at least, however cheap they are.
CHECKPOINT_LEAST = 2.0
#: Seconds that one is taken to cost for each pixel while there has been none.
CHECKPOINT_GUESS = 1e-6
#: Share of the working time that looks at the picture between snapshots may take.
LOOK_SHARE = 0.01
#: Seconds between two looks at least.
LOOK_LEAST = 5.0


@dataclass(frozen=True)
class SegmentOrder:
    """What a worker is asked to do; it goes through pickle."""

    render_id: str
    spec: str
    """A FrozenRender as JSON."""
    state: Path
    """The state folder, where the frozen inputs lie."""
    work: Path
    """The render's own folder, for checkpoints and pictures."""
    seconds: float
    """About how long to work; 0 only saves a checkpoint."""
    attempt: int = 1
    save: bool = False
    """Whether to end with a checkpoint in any case: one for a worker that may be lost."""
    following: str = ""
    """The FrozenRender as JSON that is likely to be next; empty while nobody can tell."""
    draft: bool = False
    """Whether to end as soon as there is a draft, with a picture of it."""


@dataclass(frozen=True)
class SegmentReport:
    """How far a segment has come; it goes through pickle."""

    render_id: str
    pid: int
    iteration: int
    iterations: int
    evaluations: int
    objective: float | None
    seconds: float
    """Spent in iterations since the render began."""
    width: int
    height: int
    """Of the scale that the render is at."""
    phase: int
    saved: bool
    """Whether a checkpoint on disk holds all of this."""
    finished: bool
    snapshots: int
    """Snapshots written since the render began."""
    log: tuple[str, ...]
    receipt: dict[str, Any] = field(default_factory=dict)
    """How the picture was made: only when finished."""
    seconds_left: float | None = None
    """Until the render ends, about."""
    drafted: bool = False
    """Whether its first, coarse stage is done."""


@dataclass
class _Live:
    render: LiveRender
    frozen: FrozenRender
    work: Path
    began: float
    """When this process took it; monotonic seconds."""
    saved_at: float
    """When it was saved last, or begun; monotonic seconds."""
    saved_iteration: int
    save_rate: float
    """Seconds that the last checkpoint cost for each pixel, or is taken to cost."""
    save_spent: float = 0.0
    """Seconds that checkpoints have cost since it was begun."""
    look_at: float = 0.0
    """When the next look at the picture is due; monotonic seconds."""
    writing: Background = field(default_factory=Background)
    """Where its pictures are encoded and written, while the next iterations run."""


class Studio:
    """A worker process's memory between segments: resident engines and one live render."""

    def __init__(self, options: EngineOptions) -> None:
        self._resident = Resident(options)
        self._live: dict[str, _Live] = {}
        self._ahead = Ahead()

    def run(self, order: SegmentOrder) -> SegmentReport:
        """Work on a render for about `order.seconds`.

        Raises JobFault, NodeFault; WorldFault and OSError where a folder cannot be written.
        """
        log: list[str] = []
        started = time.monotonic()
        try:
            live = self._take(order, log)
            if order.following:
                self._ahead.begin(order.following, inputs_in(order.state))
            if order.seconds:
                self._iterate(live, started + order.seconds, draft=order.draft)
            finished = live.render.finished
            wanted = order.save or not order.seconds
            if wanted or (not finished and self._is_due(live)):
                self._save(live)
            if not finished:
                self._look(live)
        except BaseException:
            # A picture may not have been written: only the last checkpoint is sure.
            self._drop(order.render_id)
            raise
        report = self._report(order, live, log)
        failpoint("segment.ended")
        return report

    def prove(self) -> str:
        """Show that the device computes, and return what it is; see `Resident.prove`."""
        return self._resident.prove()

    def _take(self, order: SegmentOrder, log: list[str]) -> _Live:
        live = self._live.get(order.render_id)
        if live is not None and live.work.is_dir():
            return live
        # One without its folder was cancelled, and is tried again from the beginning.
        self._drop(order.render_id)
        for other in list(self._live):
            self._put_aside(other)
        frozen = FrozenRender.model_validate_json(order.spec)
        settings = frozen.settings
        engine = self._resident.engine(settings.engine, settings.network, log.append)
        scene = self._ahead.take(order.spec) or Scene(
            frozen, inputs_in(order.state), ACCEPTED_LIMITS
        )
        planner, source = planner_for(order.state, frozen, scene, engine)
        available = memory_of(engine).available()
        course = course_of(settings, scene.size(), engine)
        forecast = choose(order.work, planner, course, available, log.append)
        render = LiveRender(settings, scene, engine, log.append, forecast.plan)
        log.append(f"{told(forecast)}, by {source}")
        if render.restore(order.work):
            log.append(f"goes on from the checkpoint at iteration {render.course.iteration}")
            failpoint("segment.restored")
        write_inputs(order.work, render, frozen)
        log.extend(scene.notes)
        now = time.monotonic()
        done = render.course.iteration
        live = _Live(render, frozen, order.work, now, now, done, CHECKPOINT_GUESS)
        self._live[order.render_id] = live
        failpoint("segment.taken")
        return live

    def _iterate(self, live: _Live, until: float, *, draft: bool) -> None:
        """Iterate until then; with `draft` only until there is one."""
        render = live.render
        while not render.finished:
            before = render.course.iteration
            render.iterate()
            failpoint("segment.iterated")
            due = [at for at in render.plan.snapshots if before < at <= render.course.iteration]
            is_draft = draft and render.course.iteration >= render.plan.draft
            if (due or is_draft) and not render.finished:
                self._write_picture(live)
            if is_draft or time.monotonic() >= until:
                break
        if render.finished:
            live.writing.wait()
            self._write_picture(live)
            # Saved before it is published: a kill then costs no work, whatever the picture's size.
            self._save(live, but_result=True)
            live.writing.wait()

    def _write_picture(self, live: _Live) -> None:
        settings, render = live.frozen.settings, live.render
        final = render.finished
        iteration = render.course.iteration
        picture, copies = picture_taken(render, live.frozen), snapshot_taken(live.work, render)
        if not final:
            render.course.shown.append(iteration)
        name = "result" if final else f"snapshot-{iteration:06d}"
        path = live.work / f"{name}{SUFFIXES[settings.output_format]}"

        def write() -> None:
            durable.write_bytes(path, picture())
            failpoint("segment.picture")
            copies()

        live.writing.do(write)

    def _look(self, live: _Live) -> None:
        started = time.monotonic()
        if started >= live.look_at and live.render.course.iteration:
            live.writing.wait()  # an older picture must not come after this one
            write_now(live.work, live.render)
            ended = time.monotonic()
            live.look_at = ended + max(LOOK_LEAST, (ended - started) / LOOK_SHARE)

    def _is_due(self, live: _Live) -> bool:
        """Whether all checkpoints, with one now, have cost no more than their share of the time."""
        now = time.monotonic()
        if now - live.saved_at < CHECKPOINT_LEAST:
            return False
        expected = live.save_rate * _pixels(live.render)
        return live.save_spent + expected <= CHECKPOINT_SHARE * (now - live.began + expected)

    def _save(self, live: _Live, *, but_result: bool = False) -> None:
        if not but_result:
            # The checkpoint counts the snapshots that are shown: they must be there before it is.
            live.writing.wait()
        if live.saved_iteration == live.render.course.iteration:
            return
        started = time.monotonic()
        live.render.save(live.work)
        failpoint("segment.saved")
        live.saved_at = time.monotonic()
        live.save_spent += live.saved_at - started
        live.save_rate = (live.saved_at - started) / _pixels(live.render)
        live.saved_iteration = live.render.course.iteration

    def _put_aside(self, render_id: str) -> None:
        """Save a render that another one displaces, unless its folder is gone: cancelled."""
        live = self._live[render_id]
        try:
            if live.work.is_dir():
                self._save(live)
        except JobFault as fault:
            # Of its own picture, and not of the render that is begun: it meets it again later.
            logger.warning("%s: %s", shown(live.frozen.title), fault)
        finally:
            self._drop(render_id)

    def _drop(self, render_id: str) -> None:
        live = self._live.pop(render_id, None)
        if live is not None:
            live.writing.close()
            live.render.close()

    def _report(self, order: SegmentOrder, live: _Live, log: list[str]) -> SegmentReport:
        render = live.render
        course = render.course
        phase = render.plan.phases[course.phase]
        report = SegmentReport(
            render_id=order.render_id,
            pid=os.getpid(),
            iteration=course.iteration,
            iterations=render.plan.iterations,
            evaluations=course.evaluations,
            objective=course.trace[-1].value if course.trace else None,
            seconds=course.seconds,
            width=phase.width,
            height=phase.height,
            phase=course.phase,
            saved=live.saved_iteration == course.iteration,
            finished=render.finished,
            snapshots=len(course.shown),
            log=tuple(log),
            receipt=self._receipt(live) if render.finished else {},
            seconds_left=seconds_left(render.plan, course.trace),
            drafted=course.iteration >= render.plan.draft,
        )
        if render.finished:
            self._drop(order.render_id)
        return report

    def _receipt(self, live: _Live) -> dict[str, Any]:
        settings = live.frozen.settings
        engine = self._resident.engine(settings.engine, settings.network, logger.debug)
        return receipt(live.render, live.frozen, engine)


def inputs_in(state: Path) -> Callable[[FrozenImage], Path]:
    """Return what finds a render's frozen pictures; it raises JobFault where one is gone."""

    def open_input(image: FrozenImage) -> Path:
        path = input_path(state, image.sha256)
        if not path.exists():
            raise JobFault(
                f"the copy of {shown(image.path)} is gone from the state folder, where it is "
                "kept for some time after a job's end; put the job file into the inbox again"
            )
        return path

    return open_input


def _pixels(render: LiveRender) -> int:
    """Return how many pixels the picture has at the scale that the render is at."""
    phase = render.plan.phases[render.course.phase]
    return phase.width * phase.height


def clear_work(folder: Path) -> None:
    """Remove a render's folder: it is done, or nobody wants it any more.

    What cannot be removed now, a later sweep removes.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.warning("%s cannot be removed now: %s", folder, error)
