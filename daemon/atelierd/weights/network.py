"""The VGG networks as atelierd uses them: their shape, and their numbers in one convention.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
(2014): five blocks of 3x3 convolutions, each followed by ReLU, with a pooling after each block. The
fully connected layers are not used. Everything above this package sees one convention only:
correlation kernels (not flipped), input in blue, green, red from 0 to 255, minus `VGG_MEAN`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Network = Literal["vgg16", "vgg19"]
NETWORKS: tuple[Network, ...] = get_args(Network)

#: The mean pixel that VGG was trained with, in blue, green, red; subtracted from 0..255 values.
VGG_MEAN = (103.939, 116.779, 123.68)

#: Number of 3x3 convolutions in each of the five blocks; a pooling follows each block.
BLOCKS: dict[Network, tuple[int, ...]] = {
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}

#: Number of output channels of every convolution in each of the five blocks.
BLOCK_CHANNELS = (64, 128, 256, 512, 512)


@dataclass(frozen=True)
class Convolution:
    """One 3x3 convolution: kernels `(out, in, 3, 3)` and bias `(out,)`, float32, C-contiguous."""

    kernels: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """A whole network's convolutions in the canonical convention, in order.

    `sha256` is the digest of the numbers themselves (see `numbers_sha256`), so it is the same
    whichever file format they came in. `origin` says in words where they came from.
    """

    network: Network
    convolutions: tuple[Convolution, ...]
    sha256: str
    origin: str


def kernel_shapes(network: Network) -> list[tuple[int, int, int, int]]:
    """Return the shapes `(out, in, 3, 3)` of the network's convolutions, in order."""
    shapes = []
    channels = 3
    for count, out in zip(BLOCKS[network], BLOCK_CHANNELS, strict=True):
        for _ in range(count):
            shapes.append((out, channels, 3, 3))
            channels = out
    return shapes


def layer_names(network: Network) -> list[str]:
    """Return the paper's names of the convolutions, in order: `conv1_1`, `conv1_2`, ..."""
    return [
        f"conv{block}_{i}"
        for block, count in enumerate(BLOCKS[network], start=1)
        for i in range(1, count + 1)
    ]


def numbers_sha256(convolutions: Iterable[Convolution]) -> str:
    """Return the SHA-256 of the numbers: kernels, then bias, of each layer as little-endian."""
    digest = sha256()
    for convolution in convolutions:
        for array in (convolution.kernels, convolution.bias):
            digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    return digest.hexdigest()
