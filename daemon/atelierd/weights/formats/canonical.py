"""atelierd's own file: safetensors with the canonical numbers and where they came from.

Tensors `conv1_1.weight` `(out, in, 3, 3)` and `conv1_1.bias` `(out,)` ... in float32; the metadata
names the network, the origin, the license, and the SHA-256 of the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from atelierd import durable
from atelierd.errors import WeightsError
from atelierd.weights.network import (
    NETWORKS,
    Convolution,
    Network,
    Weights,
    kernel_shapes,
    layer_names,
    numbers_sha256,
)

#: The value of the metadata key `format` by which the file is known.
FORMAT = "atelierd-vgg-1"


def write(path: Path, weights: Weights, metadata: Mapping[str, str]) -> None:
    """Write `weights` to `path` in one step, with `metadata` beside their own. Raises OSError."""
    tensors = {}
    for name, layer in zip(layer_names(weights.network), weights.convolutions, strict=True):
        tensors[f"{name}.weight"] = layer.kernels
        tensors[f"{name}.bias"] = layer.bias
    own = {
        "format": FORMAT,
        "network": weights.network,
        "origin": weights.origin,
        "sha256": weights.sha256,
    }
    durable.write_bytes(path, save(tensors, {**metadata, **own}))


def read_metadata(path: Path) -> dict[str, str]:
    """Return a safetensors file's metadata without reading its tensors.

    Raises WeightsError if it is not a whole safetensors file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file: {error}.") from error


def read(path: Path) -> Weights:
    """Read a canonical file and verify its numbers.

    Raises WeightsError if the file is damaged.
    """
    metadata = read_metadata(path)
    network = _network(path, metadata)
    layers = []
    try:
        with safe_open(path, framework="numpy") as file:
            for name, shape in zip(layer_names(network), kernel_shapes(network), strict=True):
                kernels, bias = file.get_tensor(f"{name}.weight"), file.get_tensor(f"{name}.bias")
                # The digest below is the file's own word, and of the numbers alone.
                for array, expected in ((kernels, shape), (bias, shape[:1])):
                    if array.shape != expected or array.dtype != np.float32:
                        found = f"{array.dtype} {array.shape}"
                        raise _damaged(path, f"{name} is {found}, not float32 {expected}")
                    if not np.isfinite(array).all():
                        raise _damaged(path, f"{name} has numbers that are not finite")
                layers.append(Convolution(kernels, bias))
    except (SafetensorError, OSError, TypeError) as error:  # the last for a type NumPy lacks
        raise _damaged(path, str(error)) from error
    found = numbers_sha256(layers)
    if found != metadata.get("sha256"):
        raise _damaged(path, f"its numbers have SHA-256 {found}, not {metadata.get('sha256')}")
    return Weights(network, tuple(layers), found, metadata.get("origin", "unknown"))


def _network(path: Path, metadata: Mapping[str, str]) -> Network:
    for network in NETWORKS:
        if metadata.get("network") == network:
            return network
    raise _damaged(path, f"it names the network {metadata.get('network')!r}")


def _damaged(path: Path, what: str) -> WeightsError:
    return WeightsError(
        f"{path}: the stored weights are damaged: {what}. "
        "`atelierd weights fetch` puts a new file in its place."
    )
