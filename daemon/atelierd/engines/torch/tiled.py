"""A picture of any size, tile by tile, with the gradient of the whole picture.

The style compares statistics of the whole picture, so there are two passes: the first goes up the
network over every tile and sums each layer's statistics, each feature counted in the one tile whose
core it lies in. The second goes up again, tile by tile, and down with the gradients of those
statistics, which are now known; what a tile's features contribute to pixels of its halo is added
to the neighbors' there. So the sum over all tiles is the untiled gradient, up to rounding.

The content's features are computed beside the picture's own, for they would not fit either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from atelierd.engines.recipe import Recipe
from atelierd.engines.torch.gram import GramSums
from atelierd.engines.torch.network import ResidentNetwork
from atelierd.engines.torch.objective import TorchObjective, taken_from
from atelierd.engines.torch.regions import Regions
from atelierd.engines.torch.terms import Losses, StyleDescent, Terms
from atelierd.engines.torch.tiles import Tile, halo_of, tiles_of


def gram_sums(
    network: ResidentNetwork,
    x: Tensor,
    terms: Terms,
    tiles: Iterable[Tile],
    regions: Regions,
) -> dict[str, list[GramSums]]:
    """Return the sums over each part of `x` `(3, H, W)`, by the taps that style is compared at."""
    deepest = terms.recipe.deepest_of(terms.recipe.style)
    sums: dict[str, list[GramSums]] = {}
    if deepest == "image":
        return sums
    for tile in tiles:
        for name, features in network.taps(region_of(x, tile), deepest):
            if terms.compares_style(name):
                level = network.level_of(name)
                own = owned(tile, features, level)
                if own.numel():
                    own = own.contiguous(memory_format=torch.channels_last)
                    found = [
                        GramSums.of(own, core_of(tile, part.weights, level))
                        for part in regions.at(name)
                    ]
                    for one, more in zip(sums.setdefault(name, found), found, strict=True):
                        if one is not more:
                            one.add(more)
    return sums


def region_of(x: Tensor, tile: Tile) -> Tensor:
    """Return the tile's region of `x` `(3, H, W)`, a view."""
    return x[:, tile.rows.region, tile.columns.region]


def owned(tile: Tile, features: Tensor, level: int) -> Tensor:
    """Return the core of the tile's features `(1, C, H, W)` after `level` poolings, a view."""
    return features[:, :, tile.rows.owned(level), tile.columns.owned(level)]


def core_of(tile: Tile, weights: Tensor | None, level: int) -> Tensor | None:
    """Return the core of the whole picture's weights `(H, W)` after `level` poolings, a view."""
    return None if weights is None else weights[tile.rows.core(level), tile.columns.core(level)]


class TiledObjective(TorchObjective):
    """Two passes over tiles: statistics first, then their gradient."""

    def __init__(
        self, network: ResidentNetwork, recipe: Recipe, height: int, width: int, side: int
    ) -> None:
        """Cut the picture into tiles of about `side` pixels. Raises ValueError; see `tiles_of`."""
        super().__init__(network, recipe, height, width)
        self.tiles = tiles_of(height, width, side, halo_of(network.network, recipe.deepest))

    def _keep_content(self, content: Tensor) -> None:
        """Keep nothing: the content's features are computed anew with each tile."""

    def _network_gradient(self, x: Tensor, losses: Losses) -> Tensor:
        sums = gram_sums(self.network, x, self.terms_of, self.tiles, self._regions)
        descents = {name: self._style_descents(name, sums.pop(name), losses) for name in list(sums)}
        gradient = torch.zeros_like(x)
        for tile in self.tiles:
            region_of(gradient, tile).add_(self._tile_gradient(x, tile, descents, losses)[0])
        return gradient

    def _tile_gradient(
        self, x: Tensor, tile: Tile, descents: dict[str, list[StyleDescent]], losses: Losses
    ) -> Tensor:
        """Return what the tile's own features contribute, `(1, 3, h, w)` over its region."""
        kept = dict(self.network.taps(region_of(x, tile), self.recipe.deepest))
        targets = dict(self._targets(tile))

        def add(gradient: Tensor, name: str, features: Tensor) -> None:
            level = self.network.level_of(name)
            own = owned(tile, features, level)
            target = targets.pop(name, None)
            if not own.numel():
                return
            own = own.contiguous(memory_format=torch.channels_last)
            elements = self._elements(name, features.shape[1])
            if target is not None:
                losses.content.append(self.terms_of.content(name, own, target, elements))
            part = torch.zeros_like(own)
            here = [
                replace(descent, weights=core_of(tile, descent.weights, level))
                for descent in descents.get(name, ())
            ]
            self.terms_of.add_gradient(part, name, own, target, here, elements)
            owned(tile, gradient, level).add_(part)

        return self.network.descend(taken_from(kept), add)

    def _targets(self, tile: Tile) -> Iterator[tuple[str, Tensor]]:
        """Yield the content's features of the tile's core, `(1, C, h, w)`, by tap."""
        deepest = self.recipe.deepest_of(self.recipe.content)
        if deepest == "image" or self._content is None:
            return
        for name, features in self.network.taps(region_of(self._content, tile), deepest):
            if self.terms_of.compares_content(name):
                own = owned(tile, features, self.network.level_of(name))
                yield name, own.contiguous(memory_format=torch.channels_last)

    def _elements(self, name: str, channels: int) -> int:
        """Return the number of elements of a tap's features over the whole picture."""
        level = self.network.level_of(name)
        return channels * (self.shape[1] >> level) * (self.shape[2] >> level)
