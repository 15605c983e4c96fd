"""The torch engine against the tutorial's formulas by autograd in double precision.

A gradient jumps where a unit's input crosses zero, and rounding decides the side for a unit that
is within rounding of it. So where agreement to rounding is asked for, a case has several points,
and all but one may meet such a unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from atelierd.engines.base import Image, Precision, StyleImage
from atelierd.engines.recipe import Network, Recipe, Tap, gatys, novak_nikulin
from atelierd.engines.torch.engine import TorchEngine
from atelierd.weights.network import Weights

MakeImage = Callable[..., Image]
Reference = Any

#: What one unit at zero may do to an fp32 gradient.
JUMP = 2e-2
POINTS = (3, 4, 5)


def evaluate(
    engine: TorchEngine,
    recipe: Recipe,
    content: Image,
    styles: Sequence[StyleImage],
    x: Image,
    precision: Precision = "fp32",
) -> tuple[float, Image]:
    objective = engine.objective(recipe, content, styles, precision)
    value, gradient = objective.value_and_grad(engine.to_device(x))
    return engine.read([value])[0], engine.to_host(gradient)


def distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def check_fp32(
    engine: TorchEngine,
    reference: Reference,
    content: Image,
    styles: Sequence[StyleImage],
    points: Sequence[Image],
    **weights: float,
) -> None:
    """Compare with the reference, point by point, until one has no unit at zero."""
    recipe = novak_nikulin(
        engine.describe()["network"],  # type: ignore[arg-type]
        content_weight=weights.get("cw", 5.0),
        style_weight=weights.get("sw", 1.0),
        tv_weight=weights.get("tw", 1.0),
        decay=weights.get("d", 0.5),
    )
    distances = []
    for x in points:
        expected = reference(content, styles, x, **weights)
        value, gradient = evaluate(engine, recipe, content, styles, x)
        assert value == pytest.approx(expected.value, rel=1e-6)
        distances.append(distance(gradient, expected.gradient))
        assert distances[-1] < JUMP
        if distances[-1] < 1e-5:
            return
    raise AssertionError(f"no point without a unit at zero: {distances}")


@pytest.mark.parametrize(
    ("size", "style_size"),
    [
        ((48, 48), (48, 48)),
        ((51, 67), (51, 67)),
        ((40, 64), (90, 33)),
        ((33, 35), (50, 50)),
        ((32, 32), (32, 32)),
    ],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def test_value_and_gradient_in_fp32_are_the_formulas_to_rounding(
    engine: TorchEngine,
    reference: Reference,
    image: MakeImage,
    size: tuple[int, int],
    style_size: tuple[int, int],
) -> None:
    points = [image(*size, seed) for seed in POINTS]
    check_fp32(engine, reference, image(*size, 1), [StyleImage(image(*style_size, 2))], points)


@pytest.mark.parametrize(
    "weights",
    [
        {"cw": 5.0, "sw": 0.0, "tw": 0.0},
        {"cw": 0.0, "sw": 1.0, "tw": 0.0},
        {"cw": 0.0, "sw": 0.0, "tw": 1.0},
        {"cw": 2.0, "sw": 3.0, "tw": 0.5, "d": 1.0},
        {"cw": 50.0, "sw": 0.01, "tw": 10.0, "d": 0.8},
    ],
    ids=str,
)
def test_each_group_of_terms_alone_is_right(
    engine: TorchEngine, reference: Reference, image: MakeImage, weights: dict[str, float]
) -> None:
    points = [image(37, 44, seed) for seed in POINTS]
    styles = [StyleImage(image(40, 40, 2))]
    check_fp32(engine, reference, image(37, 44, 1), styles, points, **weights)


def test_vgg19_has_its_poolings_where_they_belong(
    random_vgg19: Weights, reference: Reference, image: MakeImage
) -> None:
    engine = TorchEngine(random_vgg19, "cpu", threads=1)
    points = [image(40, 44, seed) for seed in POINTS]
    vgg19 = type(reference)(random_vgg19)
    check_fp32(engine, vgg19, image(40, 44, 1), [StyleImage(image(36, 36, 2))], points)


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_gatys_recipe_is_plain_gram_matrices_and_one_content_layer(
    request: pytest.FixtureRequest, reference: Reference, image: MakeImage, network: Network
) -> None:
    weights: Weights = request.getfixturevalue(f"random_{network}")
    engine, recipe = TorchEngine(weights, "cpu", threads=1), gatys(network, tv_weight=0)
    features_of = type(reference)(weights)._network
    content, style = image(40, 44, 1), image(36, 50, 2)

    def layers(picture: Any) -> dict[str, Any]:
        return {f"conv{i}": features for i, features in enumerate(features_of(picture)[0])}

    def gram(features: Any) -> Any:
        rows = features.reshape(features.shape[0], -1)
        return rows @ rows.T / rows.shape[1]

    distances = []
    for seed in POINTS:
        x = image(40, 44, seed)
        point = torch.tensor(x).double().requires_grad_()
        ours, theirs = layers(point), layers(torch.tensor(content).double())
        of_style = layers(torch.tensor(style).double())
        total = torch.zeros((), dtype=torch.float64)
        for tap in recipe.content:
            total = total + tap.weight * ((ours[tap.name] - theirs[tap.name]) ** 2).mean()
        for tap in recipe.style:
            D = gram(ours[tap.name]) - gram(of_style[tap.name])
            total = total + tap.weight * (D**2).mean()
        (expected,) = torch.autograd.grad(total, point)
        value, gradient = evaluate(engine, recipe, content, [StyleImage(style)], x)
        assert value == pytest.approx(float(total.detach()), rel=1e-6)
        distances.append(distance(gradient, expected.numpy()))
        assert distances[-1] < JUMP
    assert min(distances) < 1e-5


def test_a_blend_compares_with_the_weighted_mean_of_the_styles(
    engine: TorchEngine, reference: Reference, image: MakeImage
) -> None:
    styles = [
        StyleImage(image(40, 40, 2), 3.0),
        StyleImage(image(64, 33, 6), 1.0),
        StyleImage(image(32, 48, 7), 0.5),
    ]
    points = [image(40, 44, seed) for seed in POINTS]
    check_fp32(engine, reference, image(40, 44, 1), styles, points)


@pytest.mark.parametrize("size", [(48, 48), (51, 67), (40, 64)], ids=str)
def test_bf16_moves_the_value_by_a_hundredth_and_the_gradient_by_a_tenth_at_most(
    engine: TorchEngine, reference: Reference, image: MakeImage, size: tuple[int, int]
) -> None:
    content, styles = image(*size, 1), [StyleImage(image(50, 40, 2))]
    x = image(*size, 3)
    expected = reference(content, styles, x)
    value, gradient = evaluate(engine, novak_nikulin(), content, styles, x, "bf16")
    assert value == pytest.approx(expected.value, rel=1e-2)
    assert distance(gradient, expected.gradient) < 0.1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_terms_add_up_to_the_value(
    engine: TorchEngine, reference: Reference, image: MakeImage, precision: Precision
) -> None:
    content, styles, x = image(40, 44, 1), [StyleImage(image(33, 50, 2))], image(40, 44, 3)
    objective = engine.objective(novak_nikulin(), content, styles, precision)
    terms = objective.terms(engine.to_device(x))
    value, _ = objective.value_and_grad(engine.to_device(x))
    assert sum(terms.values()) == pytest.approx(float(value), rel=1e-6)
    expected = reference(content, styles, x).terms
    assert terms == pytest.approx(expected, rel=1e-6 if precision == "fp32" else 1e-2)


def test_the_content_image_itself_is_at_no_distance_from_the_content(
    engine: TorchEngine, image: MakeImage
) -> None:
    content = image(40, 44, 1)
    for precision in ("fp32", "bf16"):
        objective = engine.objective(
            novak_nikulin(), content, [StyleImage(image(33, 50, 2))], precision
        )
        assert objective.terms(engine.to_device(content))["content"] == 0.0


def test_a_recipe_that_stops_early_is_evaluated_no_deeper(
    engine: TorchEngine, reference: Reference, image: MakeImage
) -> None:
    content, x = image(40, 44, 1), image(40, 44, 3)
    recipe = Recipe("vgg16", (Tap("conv2", 2.0),), (Tap("conv0", 1.0), Tap("conv1", 1.0)), 0.0)
    names = [name for name, _ in engine._network("fp32").taps(engine.to_device(x), recipe.deepest)]
    assert names == ["conv0", "conv1", "conv2"]
    _, gradient = evaluate(engine, recipe, content, [StyleImage(content)], x)
    direction = np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    ahead, _ = evaluate(engine, recipe, content, [StyleImage(content)], x + 0.02 * direction)
    behind, _ = evaluate(engine, recipe, content, [StyleImage(content)], x - 0.02 * direction)
    slope = float((gradient * direction).sum())
    assert (ahead - behind) / 0.04 == pytest.approx(slope, rel=2e-3)


def test_a_recipe_of_pixels_only_has_the_gradient_of_the_pixels(
    engine: TorchEngine, image: MakeImage
) -> None:
    content, x = image(40, 44, 1), image(40, 44, 3)
    recipe = Recipe("vgg16", (Tap("image", 2.0),), (), 0.0)
    value, gradient = evaluate(engine, recipe, content, [StyleImage(content)], x)
    assert value == pytest.approx(2 * ((x - content) ** 2).mean(), rel=1e-5)
    np.testing.assert_allclose(gradient, 4 * (x - content) / x.size, rtol=1e-5)


def test_the_gradient_belongs_to_the_caller(engine: TorchEngine, image: MakeImage) -> None:
    objective = engine.objective(novak_nikulin(), image(40, 44, 1), [StyleImage(image(33, 50, 2))])
    x = engine.to_device(image(40, 44, 3))
    _, first = objective.value_and_grad(x)
    before = first.clone()
    objective.value_and_grad(x * 0.5)
    first.zero_()
    _, again = objective.value_and_grad(x)
    assert again.equal(before)


def test_an_evaluation_leaves_the_image_as_it_was(engine: TorchEngine, image: MakeImage) -> None:
    objective = engine.objective(novak_nikulin(), image(40, 44, 1), [StyleImage(image(33, 50, 2))])
    x = engine.to_device(image(40, 44, 3))
    before = x.clone()
    objective.value_and_grad(x)
    objective.terms(x)
    assert x.equal(before)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("content_size", "style_size"), [((64, 64), (64, 64)), ((45, 70), (60, 41))], ids=str
)
def test_the_real_network_on_photographs_agrees_with_the_formulas(
    vgg16: Weights,
    photograph: Callable[[str, int, int], Image],
    real_reference: Reference,
    content_size: tuple[int, int],
    style_size: tuple[int, int],
) -> None:
    engine = TorchEngine(vgg16, "cpu", threads=1)
    content = photograph("astronaut", *content_size)
    styles = [StyleImage(photograph("coffee", *style_size))]
    x = photograph("chelsea", *content_size)
    points: list[Image] = [x, (x + content) / np.float32(2), x * np.float32(0.9)]
    check_fp32(engine, real_reference, content, styles, points)
    expected = real_reference(content, styles, x)
    value, gradient = evaluate(engine, novak_nikulin(), content, styles, x, "bf16")
    assert value == pytest.approx(expected.value, rel=1e-2)
    assert distance(gradient, expected.gradient) < 0.1
