"""A render under way: its phases, its minimizer, and the way to stop and go on exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelierd.engines.base import Array, Engine, Image
from atelierd.engines.recipe import Recipe, gatys, novak_nikulin
from atelierd.errors import JobFault
from atelierd.images import Picture, Samples, check_size, resize
from atelierd.images.previews import within
from atelierd.jobs.resolved import RenderSettings
from atelierd.render import checkpoint, pixels
from atelierd.render.addends import Addends, AddendsKeeper
from atelierd.render.minimizers import Minimizer, Problem, make_minimizer
from atelierd.render.plan import COMPACT_HISTORY_PIXELS, Plan, between_snapshots, make_plan
from atelierd.render.scene import Scene

#: Relative error of an objective's value in each precision, from comparing engines; nobody has
#: measured tf32's, which has more bits than bf16.
NOISE = {"fp32": 1e-6, "tf32": 1e-3, "bf16": 1e-3}


@dataclass(frozen=True)
class TraceEntry:
    """One iteration, for curves and reports."""

    iteration: int
    width: int
    height: int
    value: float
    evaluations: int
    """Evaluations since the render began."""
    seconds: float
    """Time spent in iterations since the render began, over all its segments."""
    content: float | None = None
    style: float | None = None
    tv: float | None = None
    """What `value` is the sum of; None where it is not known."""


@dataclass
class Course:
    """How far a render has come."""

    iteration: int = 0
    phase: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    trace: list[TraceEntry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    """Iterations after which a snapshot was written."""


class LiveRender:
    """One render in this process, with its picture and the minimizer's history on the device."""

    def __init__(
        self,
        settings: RenderSettings,
        scene: Scene,
        engine: Engine,
        say: Callable[[str], None],
        plan: Plan | None = None,
    ) -> None:
        """Go by `plan`; left out, by the course that the settings ask for, whole pictures at once.

        Raises JobFault if the size cannot be rendered.
        """
        self.settings = settings
        self.scene = scene
        self.course = Course()
        self._engine = engine
        self._say = say
        self.plan = course_of(settings, scene.size(), engine) if plan is None else plan
        self._minimizer: Minimizer | None = None
        self._keeper: AddendsKeeper | None = None

    @property
    def finished(self) -> bool:
        """Whether no iteration is left to do."""
        return self.course.iteration >= self.plan.iterations

    def iterate(self) -> TraceEntry:
        """Do one iteration, entering the next phase where one begins.

        Raises JobFault if the objective is not finite where the render starts, NodeFault if the
        engine fails.
        """
        started = time.monotonic()
        with self._engine.faults():
            step = self._minimizer_of_phase().step()
        if not math.isfinite(step.value):
            raise JobFault(
                f"the objective is {step.value} at iteration {self.course.iteration + 1}: with "
                "these weights its numbers are too large; lower content_weight, style_weight or "
                "tv_weight"
            )
        course = self.course
        course.iteration = self._end_of_phase() if step.converged else course.iteration + 1
        course.evaluations += step.evaluations
        course.seconds += time.monotonic() - started
        for note in step.notes:
            self._note(f"iteration {course.iteration}: {note}")
        phase = self.plan.phases[course.phase]
        entry = TraceEntry(
            course.iteration,
            phase.width,
            phase.height,
            step.value,
            course.evaluations,
            round(course.seconds, 3),
            **vars(self._addends(step.value)),
        )
        course.trace.append(entry)
        return entry

    def picture(self) -> tuple[NDArray[np.float32], Samples | None]:
        """Return the picture so far at full size: RGB `(H, W, 3)` in 0..255, and its alpha."""
        rgb = pixels.from_network(self._image(), self.settings.channel_order)
        if rgb.shape[1::-1] != self.plan.size:
            rgb = resize(Picture(rgb.clip(0, 255)), self.plan.size).pixels.astype(np.float32)
        return self.scene.colored(rgb), self.scene.alpha(self.plan.size)

    def glance(self, longest: int) -> tuple[NDArray[np.float32], Samples | None]:
        """Return the picture so far, for a quick look, with sides of at most `longest` pixels.

        Pixels are passed over rather than averaged where there are far too many, so that a look
        at a huge picture costs little. RGB `(H, W, 3)` in 0..255, and its alpha.
        """
        image = self._image()
        stride = max(1, max(image.shape[1:]) // (2 * longest))
        rgb = pixels.from_network(image[:, ::stride, ::stride], self.settings.channel_order)
        size = within(self.plan.size, longest)
        small = resize(Picture(rgb.clip(0, 255)), size).pixels.astype(np.float32)
        return self.scene.colored(small), self.scene.alpha(size)

    def save(self, folder: Path) -> None:
        """Write a checkpoint into `folder`; before the first iteration there is nothing to save.

        Raises OSError.
        """
        if self._minimizer is None:
            return
        numbers: dict[str, Any] = {}
        arrays: dict[str, Array] = {}
        for key, value in self._minimizer.state().items():
            if value is None or isinstance(value, (int, float)):
                numbers[key] = value
            else:
                arrays[key] = value
        facts = {
            "plan": self.plan.course,
            "minimizer": numbers,
            **vars(self.course),
            "trace": [astuple(entry) for entry in self.course.trace],
        }
        checkpoint.save(
            folder, self.course.iteration, facts, checkpoint.OnHost(arrays, self._portable)
        )

    def restore(self, folder: Path) -> bool:
        """Go on from the newest whole checkpoint in `folder`; False if there is none.

        One of another course (another precision is fast on this machine) is passed over; how the
        evaluations are executed does not matter. Raises OSError, NodeFault.
        """
        found = checkpoint.load_newest(folder)
        if found is None or found[0]["plan"] != self.plan.course:
            return False
        facts, arrays = found
        self.course = Course(
            iteration=facts["iteration"],
            phase=facts["phase"],
            evaluations=facts["evaluations"],
            seconds=facts["seconds"],
            trace=[TraceEntry(*values) for values in facts["trace"]],
            notes=facts["notes"],
            shown=facts["shown"],
        )
        phase = self.plan.phases[self.course.phase]
        shape = (3, phase.height, phase.width)
        self._minimizer = self._enter(np.zeros(shape, np.float32), None)
        with self._engine.faults():
            native = {key: self._native(arrays.pop(key)) for key in list(arrays)}
            self._minimizer.restore(facts["minimizer"] | native)
        return True

    def close(self) -> None:
        """End whatever the minimizer holds."""
        if self._minimizer is not None:
            self._minimizer.close()
            self._minimizer = None

    def _minimizer_of_phase(self) -> Minimizer:
        """Return the minimizer of the phase that the next iteration belongs to."""
        if self._minimizer is None:
            phase = self.plan.phases[0]
            self._minimizer = self._enter(self.scene.start((phase.width, phase.height)), None)
        elif self.course.iteration >= self._end_of_phase():
            carried, previous = self._image(), self._minimizer
            self.course.phase += 1
            self._minimizer = self._enter(self._scaled(carried), previous)
            previous.close()
        return self._minimizer

    def _enter(self, start: Image, previous: Minimizer | None) -> Minimizer:
        """Compile the objective of the phase and start its minimizer."""
        phase = self.plan.phases[self.course.phase]
        size = (phase.width, phase.height)
        recipe = recipe_of(self.settings)
        compiled = self._engine.has_compiled(
            recipe, phase.height, phase.width, phase.precision, phase.execution
        )
        started = time.monotonic()
        objective = self._engine.objective(
            recipe,
            self.scene.content(size),
            self.scene.styles(size),
            phase.precision,
            phase.execution,
            regions=self.scene.regions(size),
        )
        self._say(
            f"{phase.width} x {phase.height} {phase.precision}: objective "
            f"{'reused' if compiled else 'compiled'}, targets set in "
            f"{time.monotonic() - started:.2f} s"
        )
        self._keeper = keeper = AddendsKeeper(objective, self._engine.read)
        problem = Problem(
            evaluate=keeper.evaluate,
            read=keeper.read,
            lower=pixels.LOWER,
            upper=pixels.UPPER,
            noise=NOISE[phase.precision],
        )
        if phase.pixels >= COMPACT_HISTORY_PIXELS:
            problem = replace(problem, compact=self._engine.compact, expand=self._engine.expand)
        return make_minimizer(
            self.settings.minimizer,
            problem,
            self._engine.to_device(start).reshape(-1),
            restart_every=between_snapshots(self.settings.iterations, self.settings.snapshots),
            previous=previous,
        )

    def _addends(self, value: float) -> Addends:
        """Return what `value`, the last step's, is the sum of."""
        found = self._keeper.take(value) if self._keeper else None
        last = self.course.trace[-1] if self.course.trace else None
        if found is None and last is not None and last.value == value:
            # The step has led nowhere.
            return Addends(last.content, last.style, last.tv)
        return found or Addends()

    def _scaled(self, image: Image) -> Image:
        """Return the picture of a phase at the size of the one that begins."""
        phase = self.plan.phases[self.course.phase]
        if image.shape[1:] == (phase.height, phase.width):
            return image
        rgb = pixels.from_network(image, "as-is").clip(0, 255)
        larger = resize(Picture(rgb), (phase.width, phase.height))
        return pixels.to_network(larger.pixels, "as-is")

    def _end_of_phase(self) -> int:
        return sum(phase.iterations for phase in self.plan.phases[: self.course.phase + 1])

    def _image(self) -> Image:
        phase = self.plan.phases[self.course.phase]
        if self._minimizer is None:
            return self.scene.start((phase.width, phase.height))
        return self._engine.to_host(self._minimizer.x).reshape(3, phase.height, phase.width)

    def _note(self, message: str) -> None:
        self.course.notes.append(message)
        self._say(message)

    def _portable(self, value: Array) -> NDArray[Any]:
        """Return an array as NumPy's; SciPy's double precision stays what it is."""
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return value
        return self._engine.to_host(value)

    def _native(self, value: NDArray[Any]) -> Array:
        return value if value.dtype == np.float64 else self._engine.to_device(value)


def course_of(settings: RenderSettings, size: tuple[int, int], engine: Engine) -> Plan:
    """Return the phases that the settings ask for, each executed whole.

    Raises JobFault for a size that the network or the format of the pictures cannot take: before
    the first iteration, and not when there is a picture to be written.
    """
    check_size(size, settings.output_format)
    precision = engine.precision(settings.precision)
    return make_plan(size, settings.iterations, settings.snapshots, settings.scales, precision)


def recipe_of(settings: RenderSettings) -> Recipe:
    """Return the objective that the settings ask for."""
    if settings.recipe == "gatys":
        return gatys(
            settings.network,
            content_weight=settings.content_weight,
            style_weight=settings.style_weight,
            tv_weight=settings.tv_weight,
        )
    return novak_nikulin(
        settings.network,
        content_weight=settings.content_weight,
        style_weight=settings.style_weight,
        tv_weight=settings.tv_weight,
        decay=settings.decay,
    )
