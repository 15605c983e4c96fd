"""Where the tiles of a picture lie, and how far each has to look beyond its own edges.

A tile's *core* is its own part of the picture; cores lie side by side. Its *region* is the core
with a halo around it, as far as the picture goes: what the network has to see so that the features
of the core are those of the whole picture, and so that their whole gradient arrives. All edges but
the picture's own are multiples of 32, so that five poolings pair the same pixels in every region.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from atelierd.engines.recipe import BLOCKS, Network

#: Pixels that five poolings make one of.
STRIDE = 32


@dataclass(frozen=True)
class Span:
    """Rows or columns of one tile, in pixels of the picture: region [start, stop) and its core."""

    start: int
    core_start: int
    core_stop: int
    stop: int
    is_last: bool
    """Whether the core reaches the end of the picture."""

    @property
    def region(self) -> slice:
        """The region in the picture."""
        return slice(self.start, self.stop)

    def owned(self, level: int) -> slice:
        """Return the core within the region's features after `level` poolings."""
        first = (self.core_start - self.start) >> level
        end = (self.stop if self.is_last else self.core_stop) - self.start
        return slice(first, end >> level)

    def core(self, level: int) -> slice:
        """Return the core within the whole picture's features after `level` poolings."""
        end = self.stop if self.is_last else self.core_stop
        return slice(self.core_start >> level, end >> level)


@dataclass(frozen=True)
class Tile:
    """One tile of a picture."""

    rows: Span
    columns: Span


def tiles_of(height: int, width: int, side: int, halo: int) -> list[Tile]:
    """Return the tiles of a `height` x `width` picture with cores of about `side` x `side`.

    `side` and `halo` are multiples of STRIDE. The cores are about equal and none is larger than
    `side` by more than STRIDE. Raises ValueError for other sides and halos.
    """
    if side < STRIDE or side % STRIDE or halo % STRIDE:
        raise ValueError(
            f"tile of {side} with a halo of {halo} pixels: multiples of {STRIDE} expected"
        )
    columns = _spans(width, side, halo)
    return [Tile(row, column) for row in _spans(height, side, halo) for column in columns]


def _spans(length: int, side: int, halo: int) -> list[Span]:
    count = -(-length // side)
    edges = [STRIDE * round(i * length / count / STRIDE) for i in range(count)] + [length]
    return [
        Span(
            start=max(0, start - halo),
            core_start=start,
            core_stop=stop,
            stop=min(length, stop + halo),
            is_last=stop == length,
        )
        for start, stop in pairwise(edges)
        if stop > start
    ]


def halo_of(network: Network, deepest: str) -> int:
    """Return the pixels that a region must reach beyond its core for features up to `deepest`.

    A 3x3 convolution after b poolings looks 2^b pixels further to each side; a pooling only pairs
    pixels within the core. Rounded up to a multiple of STRIDE.
    """
    reach = 0
    index = 0
    for block, length in enumerate(BLOCKS[network]):
        for _ in range(length):
            reach += 1 << block
            if deepest == f"conv{index}":
                return -(-reach // STRIDE) * STRIDE
            index += 1
    return -(-reach // STRIDE) * STRIDE
