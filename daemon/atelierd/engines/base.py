"""The seam between a render and the framework that computes it.

An engine loads the network's weights once and stays resident. It compiles one objective per
(size, recipe) and keeps it; setting another content or style on a compiled objective recomputes
the targets only. Images in here are network inputs: `(3, H, W)` float32, channels in the order
that the recipe says, minus `recipe.VGG_MEAN`, so that values lie in about [-124, 152].

Vectors stay in the engine's own kind of array (a NumPy array, a tensor on a device). Minimizers
use only what those kinds share: arithmetic operators, `@` on flat vectors, `clip`, `sum`, `abs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from atelierd.engines.recipe import Recipe

#: A NumPy array or a device tensor, whichever the engine computes with.
Array: TypeAlias = Any
#: A Python float or a zero-dimensional array on the engine's device.
Scalar: TypeAlias = Any
Image: TypeAlias = NDArray[np.float32]
#: Weights of 0 (outside) to 1 (inside), `(H, W)`, for an image of that size.
Mask: TypeAlias = NDArray[np.float32]
#: What convolutions are computed in; vectors, Gram matrices and sums are always fp32.
Precision = Literal["fp32", "tf32", "bf16"]
#: The ways in which an evaluation goes over a picture; see `Execution`.
Method = Literal["whole", "recompute", "tiled"]
#: What a job may ask for: `auto` leaves it to the engine.
WantedPrecision = Literal["auto", "fp32", "tf32", "bf16"]


@dataclass(frozen=True)
class Execution:
    """How an evaluation goes over the picture: what it keeps in memory, and what it does twice."""

    method: Method = "whole"
    """`whole` keeps every layer's features until the gradient has passed them; `recompute` keeps
    each block's input and computes the block again on the way down; `tiled` does so for one tile
    of the picture after the other. All give the same value and gradient, up to rounding."""
    tile: int = 0
    """Side of a tile without its halo in pixels, a multiple of 32; 0 where nothing is tiled."""


#: The fastest way, and the one that takes the most memory.
WHOLE = Execution()


@dataclass(frozen=True)
class StyleImage:
    """One style image of a blend: a `(3, H, W)` network input and its share of the blend."""

    image: Image
    share: float = 1.0
    masks: tuple[Mask | None, ...] = ()
    """Which part of it each of the objective's regions takes its style from; None is all of it."""


class Objective(Protocol):
    """x -> (value, gradient), compiled for one size and kept on the device."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(3, H, W) of the images that it takes."""
        ...

    def value_and_grad(self, x: Array) -> tuple[Scalar, Array]:
        """Return the objective at `x` `(3, H, W)` and its gradient of the same shape.

        The gradient belongs to the caller. Raises NodeFault if the device fails,
        OutOfMemoryFault if it runs out of memory.
        """
        ...

    @property
    def latest(self) -> Mapping[str, Scalar]:
        """The addends of the last `value_and_grad`, not yet read back: as `terms` names them."""
        ...

    def terms(self, x: Array) -> Mapping[str, float]:
        """Return the objective's addends at `x`: keys `content`, `style`, `tv`."""
        ...


class Memory(Protocol):
    """The memory that an engine computes in, as far as this process is concerned."""

    def available(self) -> int:
        """Return the bytes that the process may take, those that it has already included."""
        ...

    def taken(self) -> int:
        """Return the bytes that the process has taken."""
        ...

    def peak(self) -> int:
        """Return the most bytes that it has had since `forget_peak`, or since its start."""
        ...

    def forget_peak(self) -> None:
        """Begin anew with the peak, from what is taken now, where the system can."""
        ...


class Engine(Protocol):
    """A framework with one network's weights resident on one device."""

    @property
    def name(self) -> str:
        """`torch` or `cntk`."""
        ...

    def describe(self) -> Mapping[str, str]:
        """Return name, version, device, precision and network, for logs and receipts."""
        ...

    @property
    def fast_precision(self) -> Precision:
        """The precision that the engine's device computes fastest in."""
        ...

    def precision(self, wanted: WantedPrecision) -> Precision:
        """Return what it computes in where `wanted` is asked for: one without bf16, in fp32."""
        ...

    def objective(
        self,
        recipe: Recipe,
        content: Image,
        styles: Sequence[StyleImage],
        precision: Precision = "fp32",
        execution: Execution = WHOLE,
        regions: Sequence[Mask] = (),
    ) -> Objective:
        """Compile, or take from the cache, the objective at the content's size.

        Content `(3, H, W)` and styles (each of any size) are network inputs. An objective taken
        from the cache has its targets replaced, so only the objective returned last for a given
        size and precision is valid. An engine without bf16 computes in fp32, one that knows only
        `WHOLE` takes every execution for that. With `regions`, masks of the content's size, each
        has style terms of its own, against what the styles' masks show, and the style is taken on
        nowhere else. Raises NodeFault, JobFault if the engine has no regions.
        """
        ...

    def has_compiled(
        self,
        recipe: Recipe,
        height: int,
        width: int,
        precision: Precision,
        execution: Execution = WHOLE,
    ) -> bool:
        """Whether the objective of this recipe and size would come from the cache."""
        ...

    def memory(self) -> Memory | None:
        """Return the memory of the engine's device; None where it is the machine's own."""
        ...

    def to_device(self, image: Image) -> Array:
        """Return `image` as the engine's own kind of array (a copy)."""
        ...

    def to_host(self, x: Array) -> Image:
        """Return `x` as a NumPy float32 array (a copy)."""
        ...

    def compact(self, x: Array) -> Array:
        """Return `x` in half the bytes where the engine can, for what need not be exact."""
        ...

    def expand(self, x: Array) -> Array:
        """Return what `compact` made as an array to compute with."""
        ...

    def read(self, scalars: Sequence[Scalar]) -> list[float]:
        """Bring scalars to the host, all in one transfer."""
        ...

    def faults(self) -> AbstractContextManager[None]:
        """Return the context in which others compute with its arrays, as minimizers do.

        What its framework throws there becomes OutOfMemoryFault or NodeFault.
        """
        ...

    def close(self) -> None:
        """Free the device's memory and end any process that the engine started."""
        ...
