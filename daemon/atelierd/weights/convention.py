"""How a file's numbers want their input, and how they are put into the canonical convention.

A convolution of other conventions is turned into one that gives the same output on canonical input
(blue, green, red from 0 to 255, minus `VGG_MEAN`): its kernels are turned back, the input channels
are swapped, and the input's scale and offset are folded into the first layer's kernels and bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atelierd.weights.network import VGG_MEAN, Convolution

Order = Literal["bgr", "rgb"]
Scale = Literal["0..255", "normalized"]

#: torchvision's normalization of 0..1 values, in red, green, blue: subtracted, then divided by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Convention:
    """What a network's file expects of its input, and how its kernels are laid.

    `scale`: 0..255 minus the VGG mean, or 0..1 normalized by ImageNet's mean and deviation.
    `flipped`: every kernel is turned by 180 degrees, as Theano's true convolution wants them.
    """

    order: Order = "bgr"
    scale: Scale = "0..255"
    flipped: bool = False

    def __str__(self) -> str:
        scale = "0..255 minus the mean" if self.scale == "0..255" else "0..1 normalized"
        turned = ", kernels turned by 180 degrees" if self.flipped else ""
        return f"{self.order.upper()}, {scale}{turned}"


CANONICAL = Convention()

#: Every convention that is told apart, the canonical one first.
CONVENTIONS: tuple[Convention, ...] = tuple(
    Convention(order, scale, flipped)
    for flipped in (False, True)
    for scale in ("0..255", "normalized")
    for order in ("bgr", "rgb")
)


def to_canonical(layers: Sequence[Convolution], convention: Convention) -> tuple[Convolution, ...]:
    """Return all layers of a network that follows `convention`, put right."""
    first, *rest = layers
    return (
        first_to_canonical(first, convention),
        *(Convolution(_turned(layer, convention), layer.bias) for layer in rest),
    )


def first_to_canonical(layer: Convolution, convention: Convention) -> Convolution:
    """Return the first layer `(64, 3, 3, 3)` of a network that follows `convention`, put right.

    The offset between ImageNet's mean and the VGG mean (at most half a gray level) goes into the
    bias as if it held on the zero padding too; the difference is below 0.01 normalized units.
    """
    kernels, bias = _turned(layer, convention), layer.bias
    if convention.order == "rgb":
        kernels = kernels[:, ::-1]
    if convention.scale == "normalized":
        mean = 255.0 * np.array(IMAGENET_MEAN[::-1])
        per_level = 1.0 / (255.0 * np.array(IMAGENET_STD[::-1]))
        scaled = kernels * per_level[:, None, None]
        shift = np.array(VGG_MEAN) - mean
        bias = (bias + np.einsum("ocyx,c->o", scaled, shift)).astype(np.float32)
        kernels = scaled.astype(np.float32)
    return Convolution(np.ascontiguousarray(kernels), bias)


def _turned(layer: Convolution, convention: Convention) -> NDArray[np.float32]:
    if not convention.flipped:
        return layer.kernels
    return np.ascontiguousarray(layer.kernels[:, :, ::-1, ::-1])
