"""HDF5 files: the CNTK tutorial's `vgg16_weights.bin`, and Keras' VGG16 and VGG19.

The tutorial's (Keras' first layout): attribute `nb_layers`, groups `layer_0` .. with attribute
`nb_params` and datasets `param_0` (kernels, (out, in, 3, 3)) and `param_1` (biases).
Keras': groups `block1_conv1` .. that hold `block1_conv1_W_1:0` or `block1_conv1/kernel:0`, in
TensorFlow's order (3, 3, in, out) or Theano's (out, in, 3, 3). Fully connected layers are ignored.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from atelierd.errors import WeightsError
from atelierd.weights.convention import Convention
from atelierd.weights.formats.found import KERAS, Found, Layer

_KERAS_LAYER = re.compile(r"(?:^|/)(block(\d)_conv(\d))/")


def read(path: Path) -> Found:
    """Read the convolutions of an HDF5 file. Raises WeightsError, or what h5py raises."""
    with h5py.File(path, "r") as file:
        if "nb_layers" in file.attrs:
            return _read_tutorial(path, file)
        return _read_keras(path, file)


def _read_tutorial(path: Path, file: h5py.File) -> Found:
    layers = []
    for i in range(int(file.attrs["nb_layers"])):
        group = file.get(f"layer_{i}")
        if group is None or "nb_params" not in group.attrs:
            raise WeightsError(
                f"{path}: group layer_{i} or its attribute nb_params is missing, though nb_layers "
                f"is {file.attrs['nb_layers']}; the file is damaged, fetch it again."
            )
        if group.attrs["nb_params"] == 2 and group["param_0"].ndim == 4:
            layers.append(Layer(f"layer_{i}", group["param_0"][()], group["param_1"][()]))
    return Found("the tutorial's HDF5", layers, Convention())


def _read_keras(path: Path, file: h5py.File) -> Found:
    arrays: dict[tuple[int, int, str], dict[int, list[h5py.Dataset]]] = {}

    def collect(name: str, item: h5py.Dataset | h5py.Group) -> None:
        match = _KERAS_LAYER.search(name)
        if match and isinstance(item, h5py.Dataset) and not name.startswith("optimizer_weights/"):
            layer = arrays.setdefault((int(match[2]), int(match[3]), match[1]), {})
            layer.setdefault(item.ndim, []).append(item)

    file.visititems(collect)
    layers = []
    is_theano = False
    for (_, _, name), found in sorted(arrays.items()):
        if {ndim: len(items) for ndim, items in found.items()} != {4: 1, 1: 1}:
            listed = ", ".join(item.name for items in found.values() for item in items)
            raise WeightsError(
                f"{path}: {name}: expected one array of kernels (4-D) and one bias (1-D), found "
                f"{listed}."
            )
        kernels: NDArray[Any] = found[4][0][()]
        is_theano |= kernels.shape[:2] != (3, 3)
        if kernels.shape[:2] == (3, 3):
            kernels = np.transpose(kernels, (3, 2, 0, 1))
        layers.append(Layer(name, kernels, found[1][0][()]))
    return Found("Keras HDF5", layers, Convention(flipped=True) if is_theano else KERAS)
