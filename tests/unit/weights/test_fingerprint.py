"""The input convention is recognized by the first convolution and put right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from atelierd.errors import WeightsError
from atelierd.weights import fingerprint
from atelierd.weights.convention import CONVENTIONS, Convention, to_canonical
from atelierd.weights.formats.found import KERAS, TORCHVISION, Found, Layer
from atelierd.weights.network import VGG_MEAN, Convolution, Weights

MEAN_RGB = np.array([0.485, 0.456, 0.406])
STD_RGB = np.array([0.229, 0.224, 0.225])


def disguised(weights: Weights, convention: Convention) -> Found:
    """Write a canonical network as a file of another convention would hold it."""
    layers = [
        (np.asarray(layer.kernels, np.float64), np.asarray(layer.bias, np.float64))
        for layer in weights.convolutions
    ]
    kernels, bias = layers[0]
    if convention.scale == "normalized":
        # canonical input = 255 * std * normalized + 255 * mean - VGG_MEAN, all in BGR here
        bias = bias + np.einsum("ocyx,c->o", kernels, 255 * MEAN_RGB[::-1] - np.array(VGG_MEAN))
        kernels = kernels * (255 * STD_RGB[::-1])[:, None, None]
    if convention.order == "rgb":
        kernels = kernels[:, [2, 1, 0]]
    layers[0] = (kernels, bias)
    if convention.flipped:
        layers = [(np.rot90(kernels, 2, axes=(2, 3)), bias) for kernels, bias in layers]
    return Found(
        "test",
        [
            Layer(f"layer {i}", kernels.astype(np.float32), bias.astype(np.float32))
            for i, (kernels, bias) in enumerate(layers)
        ],
        None,
    )


def largest_difference(a: Sequence[Convolution], b: Sequence[Convolution]) -> float:
    return max(
        max(
            float(np.abs(one.kernels - other.kernels).max()),
            float(np.abs(one.bias - other.bias).max()),
        )
        for one, other in zip(a, b, strict=True)
    )


def refused(layers: list[Layer]) -> str:
    with pytest.raises(WeightsError) as caught:
        fingerprint.identify(Found("test", layers, None), "some.file")
    return str(caught.value)


@pytest.mark.weights
@pytest.mark.parametrize("convention", CONVENTIONS, ids=str)
def test_every_convention_of_the_real_weights_is_recognized_and_undone(
    real_vgg16: Weights, convention: Convention
) -> None:
    found = disguised(real_vgg16, convention)
    recognized, how = fingerprint.recognize(found, "some.file")
    assert recognized == convention
    assert "recognized by Oxford VGG16's first convolution" in how
    undone = to_canonical([layer.as_convolution() for layer in found.layers], recognized)
    # kernels and biases reach 9.4, so this is the rounding of float32
    assert largest_difference(undone, real_vgg16.convolutions) < 2e-6


@pytest.mark.weights
def test_the_real_vgg19_is_recognized_in_another_convention(real_vgg19: Weights) -> None:
    theano = Convention(order="rgb", scale="normalized", flipped=True)
    recognized, how = fingerprint.recognize(disguised(real_vgg19, theano), "some.file")
    assert recognized == theano
    assert "Oxford VGG19" in how


def test_a_fine_tuned_first_convolution_is_still_recognized(vgg16: Weights) -> None:
    generator = np.random.default_rng(1)
    first = vgg16.convolutions[0]
    noise = generator.standard_normal(first.kernels.shape).astype(np.float32)
    tuned = Layer("conv1_1", first.kernels[:, ::-1] + 0.02 * noise, first.bias)
    convention, _ = fingerprint.recognize(Found("test", [tuned], None), "some.file")
    assert convention == Convention(order="rgb")


@pytest.mark.parametrize("documented", [KERAS, TORCHVISION], ids=["keras", "torchvision"])
def test_another_training_is_taken_by_what_its_format_documents(
    vgg16: Weights, documented: Convention
) -> None:
    other = Layer("conv1_1", vgg16.convolutions[0].kernels[::-1], vgg16.convolutions[0].bias)
    convention, how = fingerprint.recognize(Found("test", [other], documented), "some.file")
    assert convention == documented
    assert "as test files document it, for the numbers are not Oxford's" in how


def test_another_training_in_a_format_without_a_convention_is_refused(vgg16: Weights) -> None:
    other = Layer("conv1_1", vgg16.convolutions[0].kernels[::-1], vgg16.convolutions[0].bias)
    with pytest.raises(WeightsError, match="does not say whether the network takes RGB or BGR"):
        fingerprint.recognize(Found("ONNX", [other], None), "some.onnx")


def test_a_network_that_is_no_vgg_is_refused_with_what_was_found() -> None:
    shapes = [(96, 3, 11, 11), (256, 96, 5, 5)]
    layers = [Layer("conv", np.zeros(shape, "f4"), np.zeros(shape[0], "f4")) for shape in shapes]
    assert refused(layers) == (
        "some.file: not a VGG16 or VGG19 (test): found 2 convolutions (96x3x11x11, 256x96x5x5), "
        "expected 13 or 16 of 3x3, from 3 channels to 64 in the first and to 512 in the last."
    )
    assert "found no convolutions" in refused([])


def test_numbers_that_are_not_finite_are_refused_with_their_layer(vgg16: Weights) -> None:
    layers = [Layer(f"conv {i}", c.kernels, c.bias) for i, c in enumerate(vgg16.convolutions)]
    bad = layers[7].bias.copy()
    bad[3:5] = np.nan
    layers[7] = Layer("conv 7", layers[7].kernels, bad)
    assert "some.file: conv 7: 2 of 512 numbers of the bias are not finite" in refused(layers)


def test_integers_and_a_bias_of_another_length_are_refused(vgg16: Weights) -> None:
    layers = [Layer(f"conv {i}", c.kernels, c.bias) for i, c in enumerate(vgg16.convolutions)]
    first = layers[0]
    layers[0] = Layer("conv 0", first.kernels.astype(np.int8), first.bias)
    assert "conv 0: the kernels are int8, expected floating point" in refused(layers)
    layers[0] = Layer("conv 0", first.kernels, first.bias[:3])
    assert "conv 0: bias of shape (3,), expected (64,)" in refused(layers)
