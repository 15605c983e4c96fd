"""What evaluations and minimizers take on this machine: a model that `atelierd benchmark` fits.

Everything is affine in pixels: so many seconds and bytes at any size, and so many more for each
pixel. Networks and recipes other than the measured one are scaled by what they compute and keep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atelierd import durable
from atelierd.engines.base import Method, Precision
from atelierd.engines.recipe import BLOCKS, Recipe, novak_nikulin
from atelierd.render.minimizers.base import MinimizerName
from atelierd.weights.network import kernel_shapes

#: The model's file in the state folder.
FILE_NAME = "machine.json"


class _Figures(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cost(_Figures):
    """One evaluation (value and gradient) of the reference recipe, executed in one way."""

    seconds: float = Field(ge=0)
    """At any size; of a tiled one, for each tile."""
    seconds_per_pixel: float = Field(ge=0)
    """Of a tiled one, for each pixel of each tile with its halo."""
    target_seconds_per_pixel: float = Field(ge=0)
    """Setting the targets, for each pixel of the content and of each style."""
    bytes: float = Field(ge=0)
    """Beside the engine's own, at any size."""
    bytes_per_pixel: float = Field(ge=0)
    bytes_per_tile_pixel: float = Field(default=0.0, ge=0)


class MinimizerCost(_Figures):
    """One iteration, but for its evaluations."""

    evaluations: float = Field(ge=1)
    """Per iteration."""
    first_evaluations: float = Field(ge=0)
    """More of them where it begins: in each phase, and where it is restarted."""
    first_seconds_per_pixel: float = Field(default=0.0, ge=0)
    """More seconds there, beside those evaluations."""
    seconds_per_pixel: float = Field(ge=0)
    bytes_per_pixel: float = Field(ge=0)
    """Held while an evaluation runs."""
    peak_bytes_per_pixel: float = Field(ge=0)
    """At most, between evaluations: in a step, and while a checkpoint is written."""


class Identity(_Figures):
    """What the figures hold for."""

    atelierd: str
    engine: str
    version: str
    device: str
    threads: int


class MachineModel(_Figures):
    """What rendering takes here."""

    version: Literal[1] = 1
    """Of the file; another one is not read, for its figures may mean something else."""
    identity: Identity | None = None
    """None: not measured here, but cautious figures that came with atelierd."""
    measured_at: datetime | None = None
    load: float = 0.0
    """The machine's load before the measurement: others' work makes it slower."""
    fast_precision: Precision = "fp32"
    start_bytes: int = Field(ge=0)
    """Peak of a process while it starts and loads a network."""
    base_bytes: int = Field(ge=0)
    """What it holds then, before any picture."""
    costs: Mapping[Precision, Mapping[Method, Cost]]
    minimizers: Mapping[MinimizerName, MinimizerCost]

    def costs_in(self, precision: Precision) -> Mapping[Method, Cost]:
        """Return the ways to evaluate in `precision`; one that is not known costs as fp32 does."""
        return self.costs.get(precision) or self.costs["fp32"]

    def differs_from(
        self, version: str, *, atelierd: str, device: str | None, threads: int | None
    ) -> str | None:
        """Return why the figures do not hold any more, in words; None if they do.

        What is not known (None) is taken to be the same. Figures that were never measured here
        hold nowhere and everywhere.
        """
        measured = self.identity
        if measured is None:
            return None
        for name, then, now in (
            ("atelierd", measured.atelierd, atelierd),
            (measured.engine, measured.version, version),
            ("device", measured.device, device),
            ("threads", measured.threads, threads),
        ):
            if now is not None and now != then:
                return f"measured with {name} {then}, now it is {now}"
        return None


class NoModelError(Exception):
    """There is no model of this machine, or it cannot be read; the message says which."""


def read_model(state: Path) -> MachineModel:
    """Return the model that the state folder holds. Raises NoModelError."""
    path = state / FILE_NAME
    try:
        return MachineModel.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NoModelError("this machine has not been measured") from error
    except OSError as error:
        raise NoModelError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise NoModelError(f"{path}: is damaged or of another version") from error


def write_model(state: Path, model: MachineModel) -> Path:
    """Keep the model in the state folder, and return its file. Raises OSError."""
    path = state / FILE_NAME
    durable.write_text(path, model.model_dump_json(indent=2) + "\n")
    return path


def work(recipe: Recipe) -> float:
    """Return the multiplications that a pixel takes on its way up the network."""
    shapes = kernel_shapes(recipe.network)[: _depth(recipe)]
    return math.fsum(
        9.0 * shape[0] * shape[1] / 4**block
        for shape, block in zip(shapes, _blocks(recipe), strict=False)
    )


def features(recipe: Recipe) -> float:
    """Return the numbers that the layers up to the deepest tap give for a pixel."""
    shapes = kernel_shapes(recipe.network)[: _depth(recipe)]
    return math.fsum(
        shape[0] / 4**block for shape, block in zip(shapes, _blocks(recipe), strict=False)
    )


def content_features(recipe: Recipe) -> float:
    """Return the numbers that the content's targets have for a pixel."""
    shapes, blocks = kernel_shapes(recipe.network), _blocks(recipe)
    total = 0.0
    for tap in recipe.content:
        if tap.name == "image":
            total += 3.0
        elif tap.name == "pool5":
            total += shapes[-1][0] / 4**5
        else:
            layer = int(tap.name.removeprefix("conv"))
            total += shapes[layer][0] / 4 ** blocks[layer]
    return total


#: What the figures of every model are measured with.
REFERENCE = novak_nikulin("vgg16")


def _depth(recipe: Recipe) -> int:
    """Return how many convolutions an evaluation goes up."""
    deepest = recipe.deepest
    if deepest == "image":
        return 0
    return recipe.convolutions if deepest == "pool5" else int(deepest.removeprefix("conv")) + 1


def _blocks(recipe: Recipe) -> list[int]:
    """Return the block of each convolution, counted from 0."""
    return [block for block, count in enumerate(BLOCKS[recipe.network]) for _ in range(count)]
