"""Forecasts by commands that load no framework: from the figures in the state folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from atelierd.cli.configuration import Surroundings

if TYPE_CHECKING:
    from atelierd.jobs.expand import RenderSpec
    from atelierd.jobs.frozen import FrozenRender
    from atelierd.jobs.resolved import RenderSettings
    from atelierd.render.machine import MachineModel
    from atelierd.render.planner import Forecast
    from atelierd.render.scene import Scene
    from atelierd.schedule.timetable import Wishes


def model_here(here: Surroundings, settings: RenderSettings) -> tuple[MachineModel, str]:
    """Return the figures that a worker would plan by, as far as can be known without an engine."""
    from atelierd.render.planning import model_of

    work = here.settings.work if here.settings else None
    device = work.device[0] if work else "auto"
    return model_of(
        here.state,
        settings,
        version=version("torch"),
        # Which one `auto` comes to, and what a GPU is called, only PyTorch knows.
        device="cpu" if device == "cpu" else None,
        threads=work.threads if work else None,
    )


def forecast_of(
    render: RenderSpec,
    size: tuple[int, int],
    pictures: Mapping[str, tuple[int, int]],
    model: MachineModel,
) -> Forecast:
    """Return how a render to `size` would be executed; `pictures` are all pictures' sizes by path.

    Raises JobFault if it does not fit into the memory.
    """
    from atelierd.render.memory import MachineMemory
    from atelierd.render.plan import make_plan
    from atelierd.render.planner import Planner
    from atelierd.render.planning import demand_of

    settings = render.settings
    precision = model.fast_precision if settings.precision == "auto" else settings.precision
    plan = make_plan(size, settings.iterations, settings.snapshots, settings.scales, precision)
    paths = [render.content, *(path for path, _ in render.styles)]
    # Decoded, at 8 bits a channel.
    decoded = sum(3 * pictures[path][0] * pictures[path][1] for path in paths)
    demand = demand_of(settings, len(render.styles), decoded)
    return Planner(model, demand).fitting(plan, MachineMemory().available())


def told_done(here: Surroundings, wishes: Wishes, seconds: float) -> tuple[str, datetime | None]:
    """Return in words when a job that takes so long would be done, were it alone; and the moment.

    All of it on one device.
    """
    from atelierd.outbox.prospects import prospect_of
    from atelierd.schedule.outlook import Task, look_ahead

    now, timetable = datetime.now(UTC), here.timetable
    schedule = timetable.of(wishes.window)
    task = Task("", timedelta(seconds=seconds), schedule, wishes.not_before)
    outlook = look_ahead([task], now)[""]
    prospect = prospect_of(wishes, outlook, now, timetable, is_running=False)
    return prospect.words or "not within a year", prospect.ends


def refuse_too_large(here: Surroundings, frozen: FrozenRender, scene: Scene) -> None:
    """Raise JobFault if a render cannot fit, before anything is loaded for it.

    What a GPU has is found out only with it.
    """
    from atelierd.render.memory import MachineMemory
    from atelierd.render.plan import make_plan
    from atelierd.render.planner import Planner
    from atelierd.render.planning import demand_of

    if here.settings is not None and here.settings.work.device[0].startswith("cuda"):
        return
    settings = frozen.settings
    model, _ = model_here(here, settings)
    precision = model.fast_precision if settings.precision == "auto" else settings.precision
    demand = demand_of(settings, len(frozen.styles), scene.picture_bytes)
    plan = make_plan(scene.size(), settings.iterations, 1, settings.scales, precision)
    Planner(model, demand).fitting(plan, MachineMemory().available())
