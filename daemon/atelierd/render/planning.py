"""From a render's settings and this machine's figures to its planner, and to words."""

from __future__ import annotations

from pathlib import Path

from atelierd import __version__
from atelierd.engines.base import Engine, Execution
from atelierd.jobs.frozen import FrozenRender
from atelierd.jobs.resolved import RenderSettings
from atelierd.render.live import recipe_of
from atelierd.render.machine import MachineModel, NoModelError, read_model
from atelierd.render.plan import between_snapshots
from atelierd.render.planner import Demand, Forecast, Planner
from atelierd.render.scene import MOST_STYLE_SCALE, Scene
from atelierd.render.shipped import SHIPPED, SHIPPED_CNTK


def planner_for(
    state: Path, frozen: FrozenRender, scene: Scene, engine: Engine
) -> tuple[Planner, str]:
    """Return the planner of a render that `engine` is to do, and in words what it goes by."""
    facts = engine.describe()
    threads = facts.get("threads", "")
    model, source = model_of(
        state,
        frozen.settings,
        version=facts["version"],
        device=facts["device"],
        threads=int(threads) if threads.isdecimal() else None,
    )
    demand = demand_of(frozen.settings, len(frozen.styles), scene.picture_bytes)
    return Planner(model, demand), source


def demand_of(settings: RenderSettings, styles: int, picture_bytes: int) -> Demand:
    """Return what a render asks of the machine, apart from its size and course."""
    return Demand(
        recipe_of(settings),
        settings.minimizer,
        styles,
        picture_bytes,
        between_snapshots(settings.iterations, settings.snapshots),
        min(settings.style_scale, MOST_STYLE_SCALE),
    )


def model_of(
    state: Path,
    settings: RenderSettings,
    *,
    version: str,
    device: str | None,
    threads: int | None,
) -> tuple[MachineModel, str]:
    """Return the figures to plan by, and in words whose they are.

    `version` is the framework's; what is not known of device and threads is None. Figures that
    hold for another version, device or number of threads are not used.
    """
    if settings.engine == "cntk":
        return SHIPPED_CNTK, "cautious figures that came with atelierd"
    try:
        model = read_model(state)
    except NoModelError as error:
        why = str(error)
    else:
        stale = model.differs_from(version, atelierd=__version__, device=device, threads=threads)
        if stale is None:
            return model, f"figures measured on this machine on {model.measured_at:%Y-%m-%d}"
        why = stale
    return SHIPPED, f"cautious figures that came with atelierd: {why}; see `atelierd benchmark`"


def told(forecast: Forecast) -> str:
    """Return a forecast in words, for logs: `about 1.2 GiB of memory and 95 s, whole pictures`."""
    return (
        f"about {forecast.bytes / 2**30:.1f} GiB of memory and {forecast.seconds:,.0f} s, "
        f"{executions_told(forecast)}"
    )


def executions_told(forecast: Forecast) -> str:
    """Return in words how the phases are executed, the finest one's way last."""
    ways = dict.fromkeys(phase.execution for phase in forecast.plan.phases)
    return ", then ".join(execution_told(way) for way in ways)


def execution_told(execution: Execution) -> str:
    """Return how evaluations go over the picture, in words."""
    if execution.method == "whole":
        return "whole pictures"
    if execution.method == "recompute":
        return "whole pictures, their features computed twice"
    return f"tiles of {execution.tile} px"
