"""The terms of the objective at one tap, and what each adds to the gradient.

The formulas are those of the CNTK tutorial (after Gatys, Ecker and Bethge, 2015, with the layer
weights of Novak and Nikulin, 2016). A style term of weight w is S = w * |G/N - T|^2 / C^2 with T
the style's own G/N (see `gram`), so that a style image may have another size than the result; for
equal sizes it is the tutorial's formula. With D = G/N - T and k = 4 w / (C^2 N) its gradient is one
matrix product beside rank-one terms:

    dS/dF = k * (F D - m * colsum(D) - ((s - N m) . colsum(D)) / (N C))

Where pixels count with weights (see `regions`), pixel p's row of it is multiplied by its weight.
A content term of weight w is w * |F - T|^2 / (N C) with T the content's features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from atelierd.engines.recipe import Recipe
from atelierd.engines.torch import kernels
from atelierd.engines.torch.gram import GramSums
from atelierd.engines.torch.regions import Part

#: A style's target: G/N `(C, C)` in fp32 by tap.
Grams = Mapping[str, Tensor]
#: The groups of addends, in the order in which they are handed over.
GROUPS = ("content", "style", "tv")


@dataclass
class Losses:
    """Addends of the objective as zero-dimensional tensors, by group."""

    content: list[Tensor] = field(default_factory=list)
    style: list[Tensor] = field(default_factory=list)
    tv: list[Tensor] = field(default_factory=list)

    def totals(self, device: torch.device) -> tuple[Tensor, ...]:
        """Return the sum of each of `GROUPS`, without reading anything back."""
        return tuple(kernels.total_of(getattr(self, group), device) for group in GROUPS)


@dataclass(frozen=True)
class StyleDescent:
    """What a style adds to the gradient at one tap: `weights * (features @ matrix + offset)`."""

    matrix: Tensor
    """`(C, C)`, symmetric, in the features' precision."""
    offset: Tensor
    """`(C,)`, likewise."""
    weights: Tensor | None = None
    """`(H, W)` in fp32; None where all pixels count alike."""


class Terms:
    """The terms of one recipe: its losses and their gradients, tap by tap."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._content_weight = {tap.name: tap.weight for tap in recipe.content if tap.weight}
        self._style_weight = {tap.name: tap.weight for tap in recipe.style if tap.weight}

    def compares_content(self, name: str) -> bool:
        """Whether a content term looks at this tap."""
        return name in self._content_weight

    def compares_style(self, name: str) -> bool:
        """Whether a style term looks at this tap."""
        return name in self._style_weight

    def style(
        self,
        name: str,
        sums: GramSums,
        part: Part,
        target: Tensor,
        dtype: torch.dtype,
        losses: Losses,
    ) -> StyleDescent:
        """Record a style's loss at one tap, and return what it adds to the gradient there.

        `sums` are over all of that part of the picture, and used up; `target` `(C, C)` is the
        style's G/N.
        """
        weight = self._style_weight[name] * part.share
        statistics = sums.statistics(self.recipe.centered)
        D = statistics.normalized.sub_(target)
        channels, pixels = D.shape[0], statistics.pixels
        losses.style.append(D.square().sum() * (weight / channels**2))
        k = 4.0 * weight / (channels**2 * pixels)
        sums_of_columns = D.sum(0)
        mean = statistics.mean
        shared = (statistics.column_sums - pixels * mean) @ sums_of_columns / (pixels * channels)
        offset = (sums_of_columns * mean + shared) * -k
        return StyleDescent(D.mul_(k).to(dtype), offset.to(dtype), part.weights)

    def content(self, name: str, features: Tensor, target: Tensor, elements: int) -> Tensor:
        """Return the content's loss over some pixels; `elements` is N C of the whole picture."""
        distance = kernels.squared_distance(features, target)
        return distance * (self._content_weight[name] / elements)

    def add_gradient(
        self,
        gradient: Tensor,
        name: str,
        features: Tensor,
        target: Tensor | None,
        descents: Sequence[StyleDescent],
        elements: int,
    ) -> None:
        """Add what style and content at one tap contribute to `gradient`, in place.

        Without a content term `target` is None. Where all pixels count alike, the content term's
        `slope * F` rides along on the diagonal of the style's product.
        """
        slope = 2.0 * self._content_weight.get(name, 0.0) / elements
        rides = False
        for descent in descents:
            matrix = descent.matrix
            if descent.weights is not None:
                part = torch.zeros_like(features)
                kernels.mix_channels_into(part, features, matrix, descent.offset)
                gradient.addcmul_(part, descent.weights.to(part.dtype))
                continue
            rides = target is not None
            if rides:
                matrix = matrix.clone()
                matrix.diagonal().add_(slope)
            kernels.mix_channels_into(gradient, features, matrix, descent.offset)
        if target is not None and rides:
            gradient.add_(target, alpha=-slope)
        elif target is not None:
            gradient.add_(features - target, alpha=slope)

    def add_image_terms(
        self, x: Tensor, content: Tensor | None, gradient: Tensor, losses: Losses
    ) -> None:
        """Add the terms that look at the pixels themselves: content at `image`, total variation.

        One channel after the other, so that a huge picture needs no more than that beside itself.
        """
        content_weight = self._content_weight.get("image", 0.0)
        tv_weight = self.recipe.tv_weight
        for channel in range(x.shape[0]):
            plane, slope = x[channel], gradient[channel]
            if content_weight and content is not None:
                difference = plane - content[channel]
                slope.add_(difference, alpha=2.0 * content_weight / x.numel())
                losses.content.append(difference.square_().sum() * (content_weight / x.numel()))
            if tv_weight:
                for axis in (0, 1):
                    _add_variation(plane, axis, tv_weight / x.shape[0], slope, losses)


def _add_variation(
    plane: Tensor, axis: int, weight: float, gradient: Tensor, losses: Losses
) -> None:
    """Add half the mean of squared differences between neighbors along `axis`, times `weight`."""
    step = plane.diff(dim=axis)
    scale = weight / step.numel()
    length = plane.shape[axis] - 1
    gradient.narrow(axis, 1, length).add_(step, alpha=scale)
    gradient.narrow(axis, 0, length).sub_(step, alpha=scale)
    losses.tv.append(step.square_().sum() * (scale / 2.0))
