"""Draw `tiles.jpg`, a mosaic, so that the recipes have a second style that everybody may use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

#: Of the mosaic, in pixels, and how many stones it has.
SIDES, STONES = (480, 360), 420
COLORS = np.array(
    [(226, 88, 34), (244, 196, 48), (18, 94, 110), (245, 236, 215), (120, 24, 44), (40, 140, 120)],
    np.float32,
)


def tiles() -> Image.Image:
    """Return stones of bright colors with dark grout between them."""
    chance = np.random.default_rng(5)
    middles = chance.uniform((0, 0), SIDES, (STONES, 2)).astype(np.float32)
    down, across = np.mgrid[: SIDES[1], : SIDES[0]].astype(np.float32)
    away = (across[..., None] - middles[:, 0]) ** 2 + (down[..., None] - middles[:, 1]) ** 2
    nearest = np.argsort(away, axis=-1)[..., :2]
    first, second = (
        np.sqrt(np.take_along_axis(away, nearest[..., [place]], axis=-1)) for place in (0, 1)
    )
    hues = COLORS[chance.integers(len(COLORS), size=STONES)]
    stones = hues * chance.uniform(0.75, 1.1, (STONES, 1)).astype(np.float32)
    grout = np.clip((second - first) / 3.0, 0.15, 1.0)
    return Image.fromarray((stones[nearest[..., 0]] * grout).clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    tiles().save(Path(__file__).with_name("tiles.jpg"), quality=88)
