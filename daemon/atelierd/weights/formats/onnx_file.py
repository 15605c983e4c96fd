"""ONNX models that contain a VGG: the initializers of their convolution nodes, in graph order."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import numpy_helper

from atelierd.errors import WeightsError
from atelierd.weights.convention import Convention
from atelierd.weights.formats.found import KERAS, TORCHVISION, Found, Layer


def read(path: Path) -> Found:
    """Read the convolutions of an ONNX file. Raises WeightsError, or what onnx raises."""
    graph = onnx.load(str(path), load_external_data=False).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    layers = []
    normalized = False  # a fully connected head may be, convolutions not
    for node in graph.node:
        normalized |= node.op_type == "BatchNormalization"
        if node.op_type != "Conv":
            continue
        if normalized:
            raise WeightsError(
                f"{path}: a VGG with batch normalization; expected the network without it."
            )
        parts = [tensors.get(name) for name in node.input[1:]]
        kernels, bias = parts if len(parts) == 2 else (None, None)
        if kernels is None or bias is None:
            raise WeightsError(
                f"{path}: the convolution {node.name or node.output[0]!r} has no stored kernels "
                "and bias; export the model with its weights inside."
            )
        if kernels.external_data or bias.external_data:
            raise WeightsError(
                f"{path}: the weights lie in another file (ONNX external data); export the model "
                "as one file."
            )
        layers.append(
            Layer(kernels.name, numpy_helper.to_array(kernels), numpy_helper.to_array(bias))
        )
    return Found("ONNX", layers, _documented(layers))


def _documented(layers: list[Layer]) -> Convention | None:
    """Tell from the names which exporter's convention applies; ONNX itself has none."""
    if all("block" in layer.name and "_conv" in layer.name for layer in layers):
        return KERAS
    if all("features." in layer.name for layer in layers):
        return TORCHVISION
    return None
