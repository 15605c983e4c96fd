"""Recomputing and tiling change what is kept in memory, not what is computed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from atelierd.engines.base import WHOLE, Execution, Image, Precision, StyleImage
from atelierd.engines.recipe import Recipe, Tap, novak_nikulin
from atelierd.engines.torch.engine import TorchEngine
from atelierd.weights.network import Weights

MakeImage = Callable[..., Image]

RECOMPUTE = Execution("recompute")
#: Odd sizes, sizes below a tile, slivers at the end, and pictures of many tiles in one direction.
CASES = [
    pytest.param((64, 64), RECOMPUTE, id="recompute"),
    pytest.param((51, 67), RECOMPUTE, id="recompute, odd"),
    pytest.param((33, 330), RECOMPUTE, id="recompute, wide"),
    pytest.param((64, 64), Execution("tiled", 128), id="below a tile"),
    pytest.param((64, 96), Execution("tiled", 32), id="tiles of 32"),
    pytest.param((161, 225), Execution("tiled", 64), id="odd, with slivers"),
    pytest.param((33, 330), Execution("tiled", 64), id="one row of tiles"),
    pytest.param((419, 37), Execution("tiled", 96), id="one column of tiles"),
    pytest.param((257, 289), Execution("tiled", 128), id="a pixel beyond the last tile"),
]


def evaluate(
    engine: TorchEngine,
    image: MakeImage,
    size: tuple[int, int],
    execution: Execution,
    recipe: Recipe | None = None,
    precision: Precision = "fp32",
) -> tuple[dict[str, float], torch.Tensor]:
    objective = engine.objective(
        recipe or novak_nikulin(engine.describe()["network"]),  # type: ignore[arg-type]
        image(*size, 1),
        [StyleImage(image(70, 101, 2)), StyleImage(image(*size, 5), 2.0)],
        precision,
        execution,
    )
    x = engine.to_device(image(*size, 3))
    value, gradient = objective.value_and_grad(x)
    terms = objective.terms(x)
    assert sum(terms.values()) == pytest.approx(float(value), rel=1e-6)
    return terms, gradient


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize(("size", "execution"), CASES)
def test_value_and_gradient_are_those_of_the_whole_picture(
    real_engine: TorchEngine, image: MakeImage, size: tuple[int, int], execution: Execution
) -> None:
    terms, gradient = evaluate(real_engine, image, size, execution)
    expected_terms, expected = evaluate(real_engine, image, size, WHOLE)
    assert terms == pytest.approx(expected_terms, rel=1e-5)
    assert distance(gradient, expected) < 1e-4


@pytest.mark.parametrize("execution", [RECOMPUTE, Execution("tiled", 64)], ids=str)
def test_in_bf16_they_are_as_near_as_bf16_is(
    real_engine: TorchEngine, image: MakeImage, execution: Execution
) -> None:
    terms, gradient = evaluate(real_engine, image, (161, 135), execution, precision="bf16")
    expected_terms, expected = evaluate(real_engine, image, (161, 135), WHOLE, precision="bf16")
    assert terms == pytest.approx(expected_terms, rel=1e-2)
    assert distance(gradient, expected) < 0.1


@pytest.mark.parametrize("execution", [RECOMPUTE, Execution("tiled", 32)], ids=str)
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("vgg16", (Tap("conv2", 2.0),), (Tap("conv0", 1.0), Tap("conv1", 1.0)), 0.0),
        Recipe("vgg16", (Tap("conv9", 2.0),), (Tap("conv0", 1.0), Tap("conv10", 1.0)), 1.0),
        Recipe("vgg16", (Tap("pool5", 2.0),), (Tap("conv0", 1.0),), 1.0),
        Recipe("vgg16", (), (Tap("conv4", 1.0),), 1.0),
        Recipe("vgg16", (Tap("conv4", 1.0), Tap("image", 1.0)), (), 1.0),
        Recipe("vgg16", (Tap("image", 1.0),), (), 1.0),
        novak_nikulin(style_weight=0),
    ],
    ids=[
        "content deeper",
        "style deeper",
        "content at pool5",
        "style alone",
        "content alone",
        "pixels",
        "no style",
    ],
)
def test_a_recipe_of_few_layers_is_the_same_in_every_execution(
    engine: TorchEngine, image: MakeImage, recipe: Recipe, execution: Execution
) -> None:
    terms, gradient = evaluate(engine, image, (97, 71), execution, recipe)
    expected_terms, expected = evaluate(engine, image, (97, 71), WHOLE, recipe)
    assert terms == pytest.approx(expected_terms, rel=1e-5)
    assert distance(gradient, expected) < 1e-2  # random weights: one unit at zero moves it so far


def test_vgg19_looks_further_and_its_halo_does_too(random_vgg19: Weights, image: MakeImage) -> None:
    engine = TorchEngine(random_vgg19, "cpu", threads=1)
    _, gradient = evaluate(engine, image, (300, 45), Execution("tiled", 32))
    _, expected = evaluate(engine, image, (300, 45), WHOLE)
    assert distance(gradient, expected) < 1e-2


@pytest.mark.parametrize("execution", [RECOMPUTE, Execution("tiled", 64)], ids=str)
def test_targets_are_replaced_in_every_execution(
    engine: TorchEngine, image: MakeImage, execution: Execution
) -> None:
    styles = [StyleImage(image(33, 50, 2))]
    x = engine.to_device(image(100, 70, 3))
    first = engine.objective(novak_nikulin(), image(100, 70, 1), styles, "fp32", execution)
    value, _ = first.value_and_grad(x)
    other = engine.objective(novak_nikulin(), image(100, 70, 8), styles, "fp32", execution)
    assert other is first
    assert float(other.value_and_grad(x)[0]) != float(value)
    engine.objective(novak_nikulin(), image(100, 70, 1), styles, "fp32", execution)
    assert float(first.value_and_grad(x)[0]) == float(value)


def test_each_execution_keeps_less_than_the_one_before(
    engine: TorchEngine, image: MakeImage
) -> None:
    styles = [StyleImage(image(33, 50, 2))]
    kept = [
        engine.objective(
            novak_nikulin(), image(160, 160, 1), styles, "fp32", execution
        ).content_bytes
        for execution in (WHOLE, RECOMPUTE, Execution("tiled", 64))
    ]
    assert kept[0] > 5 * kept[1] > 5 * kept[2] > 0


def test_a_tile_that_is_no_multiple_of_the_networks_stride_is_refused(
    engine: TorchEngine, image: MakeImage
) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        engine.objective(
            novak_nikulin(),
            image(64, 64, 1),
            [StyleImage(image(33, 50, 2))],
            "fp32",
            Execution("tiled", 40),
        )


def test_an_evaluation_reads_nothing_back_in_any_execution(
    random_vgg16: Weights, image: MakeImage
) -> None:
    engine = TorchEngine(random_vgg16, "meta")
    for execution in (WHOLE, RECOMPUTE, Execution("tiled", 64)):
        objective = engine.objective(
            novak_nikulin(), image(97, 71, 1), [StyleImage(image(33, 50, 2))], "fp32", execution
        )
        value, gradient = objective.value_and_grad(
            engine.to_device(np.zeros((3, 97, 71), np.float32))
        )
        assert (value.device.type, gradient.device.type) == ("meta", "meta")
        assert gradient.shape == (3, 97, 71)
