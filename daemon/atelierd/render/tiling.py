"""How much a tiled evaluation goes over: tiles of a picture, each with the halo that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from atelierd.engines.recipe import Recipe
from atelierd.engines.torch.tiles import STRIDE, halo_of, tiles_of

#: Side of the smallest tile: with its halo it is many times its own area.
LEAST = 64


@dataclass(frozen=True)
class Tiling:
    """How a picture falls into tiles, counted with their halos."""

    tiles: int
    pixels: int
    """Of all tiles together: what an evaluation goes over."""
    largest: int
    """Pixels of the largest tile: what it goes over at once."""


@cache
def tiling(width: int, height: int, tile: int, recipe: Recipe) -> Tiling:
    """Return how `width` x `height` pixels fall into tiles of a side of `tile` pixels."""
    halo = halo_of(recipe.network, recipe.deepest)
    across, down = _extents(width, tile, halo), _extents(height, tile, halo)
    return Tiling(len(across) * len(down), sum(across) * sum(down), max(across) * max(down))


def tile_sides(width: int, height: int) -> range:
    """Return the sides of tiles that a picture of this size can be cut into, largest first."""
    largest = (max(width, height) - 1) // STRIDE * STRIDE
    return range(largest, LEAST - 1, -STRIDE)


def _extents(length: int, tile: int, halo: int) -> list[int]:
    """Return the tiles' lengths along one side of the picture, halos included."""
    return [one.rows.stop - one.rows.start for one in tiles_of(length, STRIDE, tile, halo)]
