"""What both pictures are drawn with: sizes, noise, gradients and a pen."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Field: TypeAlias = NDArray[np.float64]
Color: TypeAlias = tuple[float, float, float]

WIDTH, HEIGHT = 640, 480
#: Everything is drawn this many times larger and reduced in the end, for smooth edges.
SCALE = 2
W, H = WIDTH * SCALE, HEIGHT * SCALE


def noise(rng: np.random.Generator, size: tuple[int, int], cells: int, octaves: int) -> Field:
    """Return fractal noise `(H, W)` for size (W, H) in about 0..1; `cells` wide at its coarsest."""
    total = np.zeros((size[1], size[0]))
    for octave in range(octaves):
        count = cells * 2**octave
        rows = max(2, count * size[1] // size[0])
        grid = Image.fromarray(rng.random((rows, count)).astype(np.float32))
        total += np.asarray(grid.resize(size, Image.Resampling.BICUBIC)) / 2**octave
    return total / sum(2.0**-octave for octave in range(octaves))


def gradient(stops: list[tuple[float, Color]], at: Field) -> Field:
    """Return the colors `(..., 3)` of a gradient through `stops` (place, color) at `at`."""
    places = [place for place, _ in stops]
    return np.stack(
        [np.interp(at, places, [color[channel] for _, color in stops]) for channel in range(3)], -1
    )


def mix(under: Field, over: Field | Color, share: Field) -> Field:
    """Return `under` `(H, W, 3)` covered by `over` where `share` `(H, W)` is 1."""
    return under + (np.asarray(over, dtype=float) - under) * share[..., np.newaxis]


def drawn(canvas: Field) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return `canvas` as an image, and a pen for it."""
    image = Image.fromarray(canvas.clip(0, 255).astype(np.uint8))
    return image, ImageDraw.Draw(image)


def ink(color: Color | list[int] | Field) -> tuple[int, int, int]:
    """Return a color that a pen takes."""
    red, green, blue = (int(min(255, max(0, level))) for level in color)
    return red, green, blue
