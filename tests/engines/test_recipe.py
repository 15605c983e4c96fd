from __future__ import annotations

from typing import Any

import pytest

from atelierd.engines.recipe import (
    BLOCKS,
    GATYS_CONTENT,
    GATYS_STYLE,
    MEAN_ACTIVATIONS,
    Network,
    gatys,
    novak_nikulin,
)
from atelierd.engines.torch.engine import TorchEngine
from atelierd.weights.network import Weights

#: Indices of relu1_1, relu2_1, relu3_1, relu4_1, relu5_1, and of relu4_2.
PLACES: dict[Network, tuple[list[str], str]] = {
    "vgg16": (["conv0", "conv2", "conv4", "conv7", "conv10"], "conv8"),
    "vgg19": (["conv0", "conv2", "conv4", "conv8", "conv12"], "conv9"),
}


@pytest.mark.parametrize("network", BLOCKS)
def test_gatys_reads_the_layers_of_the_paper(network: Network) -> None:
    recipe = gatys(network, content_weight=3, style_weight=2, tv_weight=0.5)
    style, content = PLACES[network]
    assert [tap.name for tap in recipe.style] == style
    assert [tap.name for tap in recipe.content] == [content]
    assert recipe.deepest == style[-1]
    assert (recipe.tv_weight, recipe.centered) == (0.5, False)


@pytest.mark.parametrize("network", BLOCKS)
def test_gatys_weighs_all_layers_alike_once_their_features_are_one_on_average(
    network: Network,
) -> None:
    recipe = gatys(network, content_weight=3, style_weight=2)
    means = {f"conv{i}": mean for i, mean in MEAN_ACTIVATIONS[network].items()}
    for tap in recipe.style:
        # A Gram matrix is quadratic in the features, and its loss is so in the Gram matrix.
        assert tap.weight * means[tap.name] ** 4 == pytest.approx(2 * GATYS_STYLE / 5)
    (tap,) = recipe.content
    assert tap.weight * means[tap.name] ** 2 == pytest.approx(3 * GATYS_CONTENT)


def test_the_tutorials_recipe_subtracts_the_mean() -> None:
    assert novak_nikulin().centered


@pytest.mark.weights
def test_the_mean_activations_are_those_of_the_weights(vgg16: Weights, photograph: Any) -> None:
    engine = TorchEngine(vgg16, "cpu", threads=1)
    network = engine._network("fp32")
    found: dict[str, list[float]] = {}
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        image = engine.to_device(photograph(name, 192, 256))
        for tap, features in network.taps(image, "conv10"):
            found.setdefault(tap, []).append(float(features.mean()))
    for index, mean in MEAN_ACTIVATIONS["vgg16"].items():
        values = found[f"conv{index}"]
        assert sum(values) / len(values) == pytest.approx(mean, rel=0.3)
