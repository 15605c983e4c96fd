"""Regions against plain formulas in double precision, with receptive fields counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from atelierd.engines.base import WHOLE, Execution, Image, Mask, StyleImage
from atelierd.engines.recipe import BLOCKS, Recipe, Tap, gatys, novak_nikulin
from atelierd.engines.torch.engine import TorchEngine
from atelierd.engines.torch.regions import LEAST_INSIDE, Regions

MakeImage = Callable[..., Image]
Reference = Any

#: What one unit at zero may do to an fp32 gradient; see test_objective.
JUMP = 2e-2
SIZE = (61, 78)
EARLY = Recipe("vgg16", (), tuple(Tap(f"conv{i}", 1.0) for i in range(4)), 0.0)


def place_of(tap: str) -> tuple[int, int]:
    """Return (poolings before a tap of VGG16, pixels that it sees beyond its own block)."""
    index, reach = 0, 0
    for level, length in enumerate(BLOCKS["vgg16"]):
        for _ in range(length):
            reach += 2**level
            if tap == f"conv{index}":
                return level, reach
            index += 1
    return 5, reach


def weights_by_hand(mask: Mask, tap: str) -> tuple[NDArray[np.float64], float]:
    """Return a mask's weights at a tap, and its share of the area."""
    level, reach = place_of(tap)
    side = 2**level
    height, width = mask.shape[0] // side, mask.shape[1] // side
    plain, inside = np.zeros((height, width)), np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            top, left = i * side, j * side
            plain[i, j] = mask[top : top + side, left : left + side].astype(np.float64).mean()
            inside[i, j] = mask[
                max(0, top - reach) : top + side + reach,
                max(0, left - reach) : left + side + reach,
            ].min()
    enough = inside.sum() >= LEAST_INSIDE * plain.sum()
    return inside if enough else plain, float(plain.mean())


def gram(features: Any, weights: Any, centered: bool) -> Any:
    """Return the weighted Gram matrix over the sum of the weights, written down plainly."""
    rows = features.reshape(features.shape[0], -1).T
    w = weights.reshape(-1)
    total = w.sum()
    m = (w[:, None] * rows).sum() / (total * rows.shape[1]) if centered else 0.0
    moved = rows - m
    return moved.T @ (w[:, None] * moved) / total


def style_by_hand(
    reference: Reference,
    recipe: Recipe,
    styles: Sequence[StyleImage],
    masks: Sequence[Mask],
    x: Image,
) -> tuple[float, NDArray[np.float64]]:
    """Return the style terms at `x` and their gradient by autograd."""
    point = torch.tensor(x).double().requires_grad_()
    whole = sum(style.share for style in styles)

    def at(image: Any) -> dict[str, Any]:
        features, pooled = reference._network(image)
        return {f"conv{i}": f for i, f in enumerate(features)} | {"pool5": pooled}

    ours = at(point)
    value = torch.zeros((), dtype=torch.float64)
    for region, mask in enumerate(masks):
        with torch.no_grad():
            targets: dict[str, Any] = {}
            for style in styles:
                theirs = at(torch.tensor(style.image).double())
                of_style = style.masks[region]
                for tap in recipe.style:
                    features = theirs[tap.name]
                    w = torch.ones(features.shape[1:], dtype=torch.float64)
                    if of_style is not None:
                        w = torch.tensor(weights_by_hand(of_style, tap.name)[0])
                    part = gram(features, w, recipe.centered) * (style.share / whole)
                    targets[tap.name] = targets.get(tap.name, 0) + part
        for tap in recipe.style:
            weights, share = weights_by_hand(mask, tap.name)
            found = gram(ours[tap.name], torch.tensor(weights), recipe.centered)
            difference = ((found - targets[tap.name]) ** 2).sum() / found.shape[0] ** 2
            value = value + tap.weight * share * difference
    (gradient,) = torch.autograd.grad(value, point)
    return float(value.detach()), gradient.numpy()


@pytest.fixture
def masks() -> list[Mask]:
    """Two regions that overlap: a soft ramp from the left, and a disk with a hard edge."""
    height, width = SIZE
    y, x = np.mgrid[0:height, 0:width]
    ramp = np.clip(1.3 - x / (0.6 * width), 0, 1)
    disk = ((y - 35) ** 2 + (x - 50) ** 2 < 24**2) * 0.9
    return [ramp.astype(np.float32), disk.astype(np.float32)]


@pytest.fixture
def styles(image: MakeImage) -> list[StyleImage]:
    """A blend of a style whose halves are the regions', and one that counts as a whole."""
    left = np.zeros((50, 66), np.float32)
    left[:, :40] = 1
    return [
        StyleImage(image(50, 66, 2), 3.0, (left, 1 - left)),
        StyleImage(image(48, 48, 6), 1.0, (None, None)),
    ]


def distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("execution", [WHOLE, Execution("recompute"), Execution("tiled", 32)])
@pytest.mark.parametrize(
    "recipe",
    [novak_nikulin(content_weight=0, tv_weight=0), gatys(content_weight=0, tv_weight=0)],
    ids=["novak-nikulin", "gatys"],
)
def test_value_and_gradient_are_the_formulas(
    engine: TorchEngine,
    reference: Reference,
    image: MakeImage,
    masks: list[Mask],
    styles: list[StyleImage],
    recipe: Recipe,
    execution: Execution,
) -> None:
    objective = engine.objective(recipe, image(*SIZE, 1), styles, "fp32", execution, regions=masks)
    distances = []
    for seed in (3, 4, 5):
        x = image(*SIZE, seed)
        value, gradient = objective.value_and_grad(engine.to_device(x))
        expected, slope = style_by_hand(reference, recipe, styles, masks, x)
        assert float(value) == pytest.approx(expected, rel=1e-5)
        distances.append(distance(engine.to_host(gradient), slope))
        assert distances[-1] < JUMP
        if distances[-1] < 1e-4:
            return
    raise AssertionError(f"no point without a unit at zero: {distances}")


def test_the_content_counts_everywhere(
    engine: TorchEngine, image: MakeImage, masks: list[Mask], styles: list[StyleImage]
) -> None:
    recipe, x = novak_nikulin(style_weight=0), engine.to_device(image(*SIZE, 3))
    content = image(*SIZE, 1)
    value, gradient = engine.objective(recipe, content, styles, regions=masks).value_and_grad(x)
    plain = engine.objective(recipe, content, [StyleImage(image(50, 66, 2))])
    expected, slope = plain.value_and_grad(x)
    assert value.equal(expected)
    assert gradient.equal(slope)


@pytest.mark.parametrize("recipe", [novak_nikulin(), gatys()], ids=["novak-nikulin", "gatys"])
def test_a_white_mask_is_no_mask(engine: TorchEngine, image: MakeImage, recipe: Recipe) -> None:
    content, x = image(*SIZE, 1), engine.to_device(image(*SIZE, 3))
    style = image(50, 66, 2)
    value, gradient = engine.objective(recipe, content, [StyleImage(style)]).value_and_grad(x)
    white = np.ones(SIZE, np.float32)
    of_style = StyleImage(style, 1.0, (np.ones((50, 66), np.float32),))
    masked = engine.objective(recipe, content, [of_style], regions=[white])
    found, slope = masked.value_and_grad(x)
    assert float(found) == pytest.approx(float(value), rel=1e-5)
    assert distance(engine.to_host(slope), engine.to_host(gradient)) < 1e-4


def test_a_region_does_not_see_across_its_border(engine: TorchEngine, image: MakeImage) -> None:
    mask = np.zeros(SIZE, np.float32)
    mask[:, :45] = 1
    style = StyleImage(image(50, 66, 2), 1.0, (None,))
    objective = engine.objective(EARLY, image(*SIZE, 1), [style], regions=[mask])
    x = image(*SIZE, 3)
    beyond = x.copy()
    beyond[:, :, 45:] = image(*SIZE, 9)[:, :, 45:]
    value, gradient = objective.value_and_grad(engine.to_device(x))
    other, _ = objective.value_and_grad(engine.to_device(beyond))
    assert float(other) == pytest.approx(float(value), rel=1e-6)
    assert float(gradient[:, :, 45:].abs().max()) == 0.0
    assert float(gradient[:, :, :40].abs().min(0).values.max()) > 0.0


def test_a_style_mask_leaves_the_rest_of_the_style_out(
    engine: TorchEngine, image: MakeImage
) -> None:
    mask, white = np.zeros((50, 66), np.float32), np.ones(SIZE, np.float32)
    mask[:30] = 1
    style = image(50, 66, 2)
    other = style.copy()
    other[:, 30:] = -50
    x = engine.to_device(image(*SIZE, 3))
    values = []
    for picture, of_style in ((style, mask), (other, mask), (style, None), (other, None)):
        objective = engine.objective(
            EARLY, image(*SIZE, 1), [StyleImage(picture, 1.0, (of_style,))], regions=[white]
        )
        values.append(float(objective.value_and_grad(x)[0]))
    assert values[1] == pytest.approx(values[0], rel=1e-6)
    assert values[3] != pytest.approx(values[2], rel=1e-2)


@pytest.mark.parametrize("execution", [WHOLE, Execution("tiled", 32)])
@pytest.mark.parametrize("pixels", [0, 1, 3])
def test_a_region_of_few_pixels_or_none_leaves_numbers_finite(
    engine: TorchEngine, image: MakeImage, pixels: int, execution: Execution
) -> None:
    mask, of_style = np.zeros(SIZE, np.float32), np.zeros((50, 66), np.float32)
    # In the last row and column, which the poolings of an odd side drop.
    mask[SIZE[0] - pixels :, SIZE[1] - pixels :] = 1
    of_style[50 - pixels :, 66 - pixels :] = 1
    style = StyleImage(image(50, 66, 2), 1.0, (of_style,))
    objective = engine.objective(
        novak_nikulin(content_weight=0, tv_weight=0), image(*SIZE, 1), [style], "fp32", execution,
        [mask],
    )  # fmt: skip
    value, gradient = objective.value_and_grad(engine.to_device(image(*SIZE, 3)))
    assert bool(gradient.isfinite().all())
    assert (float(value) > 0) == (pixels > 0)


def test_inside_is_taken_while_enough_is_left_and_plain_after_that(engine: TorchEngine) -> None:
    mask = torch.zeros(96, 96)
    mask[:, :48] = 1
    regions = Regions(engine._network("fp32"), [mask], "pool5")
    (first,), (deep,) = regions.at("conv0"), regions.at("conv12")
    assert first.weights is not None and deep.weights is not None
    assert first.weights.sum() == 96 * 47
    assert deep.weights.shape == (6, 6)
    assert deep.weights.sum() == 6 * 3
    assert (first.share, deep.share) == (0.5, 0.5)


def test_masks_of_another_content_are_not_kept(
    engine: TorchEngine, image: MakeImage, masks: list[Mask], styles: list[StyleImage]
) -> None:
    recipe, content = novak_nikulin(), image(*SIZE, 1)
    x = engine.to_device(image(*SIZE, 3))
    plain = engine.objective(recipe, content, [StyleImage(image(50, 66, 2))])
    before, slope = plain.value_and_grad(x)
    masked, _ = engine.objective(recipe, content, styles, regions=masks).value_and_grad(x)
    again = engine.objective(recipe, content, [StyleImage(image(50, 66, 2))])
    after, same = again.value_and_grad(x)
    assert masked != before
    assert after.equal(before)
    assert same.equal(slope)
