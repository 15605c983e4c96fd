"""`atelierd evaluate`: one value and gradient of the objective; how engines are compared."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from atelierd.cli.configuration import ConfigOption, Surroundings, surroundings
from atelierd.cli.options import PresetOption, SetOption, SizeOption, assignments, scalar
from atelierd.cli.terminal import plain, say, say_json, stderr

if TYPE_CHECKING:
    from atelierd.cli.single import Pair


def evaluate(
    content: Annotated[Path, typer.Argument(metavar="CONTENT", help="The photograph.")],
    style: Annotated[Path, typer.Argument(metavar="STYLE", help="The painting.")],
    preset: PresetOption = None,
    size: SizeOption = None,
    engine: Annotated[
        Literal["torch", "cntk"] | None, typer.Option("--engine", "-e", show_default=False)
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "tf32", "bf16"] | None, typer.Option(show_default=False)
    ] = None,
    settings: SetOption = None,
    gradient: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="Write the gradient there: (3, height, width) float32.",
            show_default=False,
        ),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Evaluations that are timed.")] = 1,
    as_json: Annotated[  # noqa: ARG001 - scripts ask every command for it
        bool, typer.Option("--json", help="Answer in JSON, as it does anyway.", show_default=False)
    ] = True,
    config: ConfigOption = None,
) -> None:
    """Print the objective's value and its gradient's norm where a render would start, as JSON.

    The first evaluation, which also compiles and allocates, is not timed. Seconds are those of
    one value and gradient.
    """
    from atelierd.cli.single import pair

    chosen: dict[str, Any] = {"preset": preset, "engine": engine, "precision": precision}
    chosen["size"] = None if size is None else scalar(size, "--size")
    choices = assignments(settings or [])
    choices |= {key: value for key, value in chosen.items() if value is not None}
    here = surroundings(config)
    work = pair(content, [style], choices, here.preset_folders)
    say_json(_evaluation(here, work, gradient, repeat))


def _evaluation(
    here: Surroundings, work: Pair, gradient: Path | None, repeat: int
) -> dict[str, Any]:
    """Return the report; write the gradient if a file is named."""
    import numpy as np

    from atelierd import durable
    from atelierd.cli.weights import ensure_weights
    from atelierd.render.live import recipe_of
    from atelierd.render.memory import memory_of
    from atelierd.render.plan import make_plan
    from atelierd.render.planning import execution_told, planner_for
    from atelierd.render.resident import Resident
    from atelierd.render.scene import Scene

    settings = work.frozen.settings
    scene = Scene(work.frozen, work.open_input)
    width, height = scene.size()
    ensure_weights(here.weight_store, settings.network)
    console = stderr()
    resident = Resident(here.engine_options)
    try:
        engine = resident.engine(
            settings.engine, settings.network, lambda line: say(console, plain(line, style="dim"))
        )
        precision = engine.precision(settings.precision)
        size = (width, height)
        planner, _ = planner_for(here.state, work.frozen, scene, engine)
        plan = make_plan(size, 1, 1, 1, precision)
        # A bf16 plan of one iteration is that one in bf16.
        (phase,) = planner.fitting(plan, memory_of(engine).available()).plan.phases
        objective = engine.objective(
            recipe_of(settings),
            scene.content(size),
            scene.styles(size),
            precision,
            phase.execution,
            regions=scene.regions(size),
        )
        x = engine.to_device(scene.start(size))
        seconds = []
        for _ in range(repeat + 1):
            started = time.perf_counter()
            value, slope = objective.value_and_grad(x)
            (read,) = engine.read([value])
            seconds.append(time.perf_counter() - started)
        host = engine.to_host(slope)
        if gradient is not None:
            with durable.replacing(gradient) as file:
                np.save(file, host)
        return {
            "value": read,
            "gradient_norm": float(np.linalg.norm(host.astype(np.float64))),
            "terms": dict(objective.terms(x)),
            "seconds": {
                "best": min(seconds[1:]),
                "median": statistics.median(seconds[1:]),
                "first": seconds[0],
            },
            "width": width,
            "height": height,
            "precision": precision,
            "execution": execution_told(phase.execution),
            "engine": dict(engine.describe()),
            "settings": settings.model_dump(mode="json"),
        }
    finally:
        resident.close()
