"""torchvision's names, `features.N.weight` and `features.N.bias`, whatever file they are in.

N counts the modules of the network, so it leaves gaps for ReLU and pooling; only its order counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from atelierd.errors import WeightsError
from atelierd.weights.formats.found import TORCHVISION, Found, Layer

_WEIGHT = re.compile(r"features\.(\d+)\.weight")


def read_state_dict(
    path: Path, format_name: str, names: Collection[str], get: Callable[[str], NDArray[Any]]
) -> Found:
    """Read the convolutions of a state dict with `names`, taking arrays by `get`.

    Raises WeightsError for a network with batch normalization or a convolution without bias.
    """
    if any(name.startswith("features.") and name.endswith(".running_mean") for name in names):
        raise WeightsError(
            f"{path}: a VGG with batch normalization (features.N.running_mean); expected the "
            "network without it."
        )
    layers = []
    matches = filter(None, map(_WEIGHT.fullmatch, names))
    for match in sorted(matches, key=lambda match: int(match[1])):
        bias = f"features.{match[1]}.bias"
        if bias not in names:
            raise WeightsError(f"{path}: {match[0]} is there, {bias} is missing.")
        layers.append(Layer(f"features.{match[1]}", get(match[0]), get(bias)))
    return Found(format_name, layers, TORCHVISION)
