"""What a reader found in a file: the convolutions as they are there, and what the format says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelierd.weights.convention import Convention
from atelierd.weights.network import Convolution


@dataclass(frozen=True)
class Layer:
    """One convolution as the file names it: kernels `(out, in, h, w)` and bias, any float type."""

    name: str
    kernels: NDArray[Any]
    bias: NDArray[Any]

    def as_convolution(self) -> Convolution:
        """Return the layer in float32, C-contiguous."""
        return Convolution(
            np.ascontiguousarray(self.kernels, dtype=np.float32),
            np.ascontiguousarray(self.bias, dtype=np.float32),
        )


@dataclass(frozen=True)
class Found:
    """The convolutions of a file, in order, not yet judged.

    `format` names the kind of file in words. `documented` is the convention that the format's own
    documentation states, None where it states none.
    """

    format: str
    layers: Sequence[Layer]
    documented: Convention | None


#: What Keras' applications state: BGR, 0..255 minus the mean.
KERAS = Convention()
#: What torchvision's documentation states: RGB, 0..1 normalized.
TORCHVISION = Convention(order="rgb", scale="normalized")
