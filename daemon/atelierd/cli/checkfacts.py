"""What `atelierd check --json` answers: a job's renders as they would be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from atelierd.cli.configuration import Surroundings
from atelierd.cli.forecasts import forecast_of, model_here, told_done
from atelierd.images import fit_size
from atelierd.jobs.expand import RenderSpec
from atelierd.render.machine import MachineModel
from atelierd.schedule.timetable import Wishes


def checked_facts(
    renders: Sequence[RenderSpec],
    sizes: Mapping[str, tuple[int, int]],
    here: Surroundings,
    wishes: Wishes,
) -> dict[str, Any]:
    """Return plain JSON data; `sizes` are (width, height) of every picture by path.

    Raises JobFault if a render does not fit into the memory.
    """
    model, source = model_here(here, renders[0].settings)
    foretold = [_render(render, sizes, model) for render in renders]
    words, ends = told_done(here, wishes, sum(one["seconds"] for one in foretold))
    return {
        "sound": True,
        "foretold_by": source,
        "expected": words,
        "expected_end": ends and ends.isoformat(timespec="seconds"),
        "settings": renders[0].settings.model_dump(mode="json"),
        "renders": foretold,
    }


def _render(
    render: RenderSpec, sizes: Mapping[str, tuple[int, int]], model: MachineModel
) -> dict[str, Any]:
    settings = render.settings
    width, height = fit_size(*sizes[render.content], settings.size, settings.crop)
    forecast = forecast_of(render, (width, height), sizes, model)
    return {
        "title": render.title,
        "content": render.content,
        "styles": [{"path": path, "share": share} for path, share in render.styles],
        "init": render.init_file,
        "width": width,
        "height": height,
        "memory_bytes": forecast.bytes,
        "seconds": round(forecast.seconds, 1),
        "phases": [asdict(phase) for phase in forecast.plan.phases],
    }
