"""Sizes: which one a picture is rendered at, and bringing it there."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from PIL import Image

from atelierd.images.picture import Picture, Samples

#: Long side in pixels, exact (width, height) in pixels, or the picture's own size.
Size = int | tuple[int, int] | Literal["original"]
Crop = Literal["none", "square"]


def fit_size(width: int, height: int, size: Size, crop: Crop = "none") -> tuple[int, int]:
    """Return the (width, height) in pixels that a `width` x `height` picture is rendered at.

    A number is the length of the long side and keeps the aspect ratio (it enlarges, too); a pair
    is taken as it is, and `resize` then crops to its aspect ratio; `original` keeps the size. With
    `crop="square"` the result is a square: of the number's side, or of the short side for
    `original`. No side is ever 0. Raises ValueError if a given number is not positive.
    """
    if min(width, height) < 1:
        raise ValueError(f"a picture of {width} x {height} pixels has no size")
    if size == "original":
        return (min(width, height),) * 2 if crop == "square" else (width, height)
    if isinstance(size, tuple):
        if min(size) < 1:
            raise ValueError(f"found a size of {size[0]} x {size[1]}, expected positive numbers")
        return size
    if size < 1:
        raise ValueError(f"found a size of {size}, expected a positive number")
    if crop == "square":
        return size, size
    long_side = max(width, height)
    return max(1, round(width * size / long_side)), max(1, round(height * size / long_side))


def resize(picture: Picture, size: tuple[int, int], crop: bool = False) -> Picture:
    """Return `picture` at `size` = (width, height) pixels, resampled bicubically.

    With `crop`, the largest centered part that has the new aspect ratio is taken first; without,
    the whole picture is stretched to the new size. 8-bit pictures are resampled in 8 bits by
    Pillow, which for a square gives the very pixels of the CNTK tutorial; deeper ones in float32,
    clipped to 0..255 like the 8-bit ones. Alpha is resampled in the same way, apart from the color.
    """
    box = centered_box(picture.width, picture.height, size) if crop else None
    pixels: Samples = np.empty_like(picture.pixels, shape=(size[1], size[0], 3))
    for channel in range(3):
        pixels[:, :, channel] = _resample(picture.pixels[:, :, channel], size, box)
    alpha = None if picture.alpha is None else _resample(picture.alpha, size, box)
    return replace(picture, pixels=pixels, alpha=alpha)


def central(picture: Picture, fraction: float) -> Picture:
    """Return the centered part of `picture` that has `fraction` (0..1) of each side."""
    width = max(1, round(picture.width * fraction))
    height = max(1, round(picture.height * fraction))
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    part = slice(top, top + height), slice(left, left + width)
    alpha = None if picture.alpha is None else picture.alpha[part]
    return replace(picture, pixels=picture.pixels[part], alpha=alpha)


def centered_box(width: int, height: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the largest centered part with the aspect of `size`.

    Edges that fall between pixels are rounded to even, as Pillow's `crop` does with the tutorial's
    half pixels: where the margins are odd, the part may be one pixel longer or shorter than asked.
    """
    part_width = min(width, max(1, round(height * size[0] / size[1])))
    part_height = min(height, max(1, round(width * size[1] / size[0])))
    left, top = round((width - part_width) / 2), round((height - part_height) / 2)
    right, bottom = round((width + part_width) / 2), round((height + part_height) / 2)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _resample(
    channel: Samples, size: tuple[int, int], box: tuple[int, int, int, int] | None
) -> Samples:
    if box is not None:
        left, top, right, bottom = box
        channel = channel[top:bottom, left:right]
    if (channel.shape[1], channel.shape[0]) == size:
        return channel.copy()
    image = Image.fromarray(np.ascontiguousarray(channel))
    result: Samples = np.array(image.resize(size, Image.Resampling.BICUBIC))
    return result.clip(0, 255)
