"""safetensors files with torchvision's names (atelierd's own file is read by `canonical`)."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open

from atelierd.errors import WeightsError
from atelierd.weights.formats.found import Found
from atelierd.weights.formats.state_dict import read_state_dict


def read(path: Path) -> Found:
    """Read the convolutions of a safetensors file. Raises WeightsError, or SafetensorError."""
    try:
        with safe_open(path, framework="numpy") as file:
            return read_state_dict(path, "safetensors", file.keys(), file.get_tensor)
    except TypeError as error:
        raise WeightsError(
            f"{path}: holds numbers of a type that NumPy lacks (bfloat16?); save it in float32: "
            f"{error}."
        ) from error
