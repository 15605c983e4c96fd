"""The same weights mean the same look at every size, for every term is a mean over pixels.

Two views of that. Where a picture goes on as it began, more of it must not change any term: a
weight that grew or shrank with the side or the area would show at once. And where one picture is
shown larger, its terms may change only as far as a larger copy is smoother, pixel for pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from atelierd.engines.base import Image, StyleImage
from atelierd.engines.recipe import Recipe, gatys, novak_nikulin
from atelierd.engines.torch.engine import TorchEngine

pytestmark = [pytest.mark.slow, pytest.mark.weights]

Photograph = Callable[[str, int, int], Image]

#: Content, style and where the terms are looked at, in scikit-image's data.
PICTURES = ("astronaut", "coffee", "chelsea")

RECIPES = [
    pytest.param(novak_nikulin(), id="novak-nikulin"),
    pytest.param(gatys(), id="gatys"),
]
#: What the zeros beyond the edges do to the terms, for deep layers see far; measured: 0.03.
EDGES = 0.05
#: Measured on photographs: terms fall to between 0.48 and 0.89 when the sides are doubled.
SMOOTHER = 0.4, 1.15


def terms(
    engine: TorchEngine, recipe: Recipe, content: Image, style: Image, x: Image
) -> dict[str, float]:
    objective = engine.objective(recipe, content, [StyleImage(style)])
    return objective.terms(engine.to_device(x))


@pytest.mark.parametrize("recipe", RECIPES)
def test_more_of_the_same_changes_no_term(
    real_engine: TorchEngine, photograph: Photograph, recipe: Recipe
) -> None:
    pieces = [photograph(name, 64, 64) for name in PICTURES]
    small, large = (
        terms(real_engine, recipe, *(np.tile(piece, (1, *times)) for piece in pieces))
        for times in ((3, 3), (6, 5))
    )
    assert large == pytest.approx(small, rel=EDGES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_picture_shown_larger_keeps_the_balance_of_its_terms(
    real_engine: TorchEngine, photograph: Photograph, recipe: Recipe
) -> None:
    small, large = (
        terms(
            real_engine,
            recipe,
            *(photograph(name, side, side) for name in PICTURES),
        )
        for side in (256, 512)
    )
    for name, value in small.items():
        assert SMOOTHER[0] < large[name] / value < SMOOTHER[1], name
