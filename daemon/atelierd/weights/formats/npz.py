"""NumPy archives in the manner of the well-known `vgg16_weights.npz`.

Davi Frossard's conversion (https://www.cs.toronto.edu/~frossard/post/vgg16/): `conv1_1_W`
(3, 3, in, out) and `conv1_1_b` (out,) ..., for input in red, green, blue from 0 to 255 minus the
mean.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from atelierd.errors import WeightsError
from atelierd.weights.convention import Convention
from atelierd.weights.formats.found import Found, Layer

_KERNELS = re.compile(r"conv(\d)_(\d)_W")


def read(path: Path) -> Found:
    """Read the convolutions of an .npz file. Raises WeightsError, or what NumPy raises."""
    layers = []
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        matches = filter(None, map(_KERNELS.fullmatch, arrays.files))
        for match in sorted(matches, key=lambda match: (int(match[1]), int(match[2]))):
            name = f"conv{match[1]}_{match[2]}"
            if f"{name}_b" not in arrays.files:
                raise WeightsError(f"{path}: {name}_W is there, {name}_b is missing.")
            kernels = arrays[f"{name}_W"]
            if kernels.ndim != 4:
                raise WeightsError(
                    f"{path}: {name}_W has shape {kernels.shape}, expected (3, 3, in, out)."
                )
            layers.append(Layer(name, np.transpose(kernels, (3, 2, 0, 1)), arrays[f"{name}_b"]))
    return Found(".npz", layers, Convention(order="rgb"))
