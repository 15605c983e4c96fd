"""The settings of a render with nothing left open: job over preset over the `default` preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from atelierd.errors import ConfigError
from atelierd.jobs.placed import PlacedFault
from atelierd.jobs.presets import merged
from atelierd.jobs.schema import (
    ChannelOrder,
    Color,
    Crop,
    Engine,
    Format,
    JobFile,
    Minimizer,
    Network,
    Precision,
    RecipeName,
    Rounding,
    Start,
)

#: The preset that a job has when it names none, and that fills in what others leave open.
DEFAULT_PRESET = "default"
#: Keys of a job file that say what is rendered, not how.
_NO_SETTINGS = {
    *("content", "style", "masks", "name", "priority"),
    *("not_before", "window", "deadline"),
}


class RenderSettings(BaseModel):
    """Every setting of a render, concrete; goes through JSON and back unchanged.

    Sizes are in pixels: the long side, (width, height), or `original`. With `init` = `file` the
    starting picture is the render's `init_file`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    preset: str
    engine: Engine
    network: Network
    size: int | tuple[int, int] | Literal["original"]
    crop: Crop
    iterations: int
    snapshots: int
    scales: int | Literal["auto"]
    content_weight: float
    style_weight: float
    tv_weight: float
    decay: float
    # Not in what a ledger has from before there were such settings.
    recipe: RecipeName = "novak-nikulin"
    color: Color = "style"
    style_scale: float = 1.0
    init: Literal["content", "random", "style", "file"]
    seed: int
    minimizer: Minimizer
    precision: Precision
    channel_order: ChannelOrder
    rounding: Rounding
    output_format: Format
    output_quality: int


def resolve(job: JobFile, preset: Mapping[str, Any], defaults: Mapping[str, Any]) -> RenderSettings:
    """Return the settings of `job`'s renders: its own keys, then `preset`'s, then `defaults`'.

    `preset` and `defaults` are what `presets.load_preset` gives. Never more snapshots than
    iterations. Raises ConfigError if a setting is in none of the three, PlacedFault if two of them
    do not go together.
    """
    own = job.model_dump(exclude_none=True, exclude=_NO_SETTINGS)
    keys = merged(merged({"preset": DEFAULT_PRESET, **defaults}, preset), own)
    for key, value in keys.pop("output", {}).items():
        keys[f"output_{key}"] = value
    if keys.get("init") not in (None, *get_args(Start)):
        keys["init"] = "file"
    try:
        settings = RenderSettings.model_validate(keys)
    except ValidationError as error:
        missing = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        raise ConfigError(
            f"no preset says what {missing} is to be; add it to the preset "
            f"`{DEFAULT_PRESET}`, which must have every key"
        ) from error
    if job.masks is not None and settings.engine == "cntk":
        raise PlacedFault({("masks",): "engine cntk has none; take them out, or say engine: torch"})
    return settings.model_copy(update={"snapshots": min(settings.snapshots, settings.iterations)})
