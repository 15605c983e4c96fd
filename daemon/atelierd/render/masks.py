"""Masks: gray pictures that say where in another picture a region is, white being inside."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from atelierd.engines.base import Mask
from atelierd.errors import JobFault
from atelierd.images import Picture
from atelierd.jobs.frozen import FrozenImage
from atelierd.render.color import LUMA
from atelierd.wording import shown

#: Long side in pixels of the copy that is asked whether a crop has left anything of a region.
THUMBNAIL = 256
#: Relative difference of aspect ratios that is taken for rounding to whole pixels.
SAME_SHAPE = 0.03
#: Weight below which all of a mask counts as black: less than one level of 255.
_BLACK = 0.5 / 255


def load(
    named: FrozenImage,
    read: Callable[[FrozenImage], Picture],
    of: Picture,
    of_named: FrozenImage,
) -> Picture:
    """Return the mask `named` of the picture `of`, which may have another size, not another shape.

    Raises JobFault.
    """
    mask = read(named)
    ratio = (mask.width * of.height) / (mask.height * of.width)
    if abs(ratio - 1) > SAME_SHAPE:
        raise JobFault(
            f"masks: {shown(named.path)} has {mask.width} x {mask.height} pixels and "
            f"{shown(of_named.path)} {of.width} x {of.height}; expected a mask of the same shape"
        )
    return mask


def weights(mask: Picture) -> Mask:
    """Return a mask's weights `(H, W)` float32: 0 for black or transparent, 1 for white."""
    found: Mask = (mask.pixels.astype(np.float32) @ (LUMA / np.float32(255))).clip(0, 1)
    if mask.alpha is not None:
        found *= mask.alpha.astype(np.float32) / np.float32(255)
    return found


def check_not_black(mask: Picture, named: FrozenImage) -> None:
    """Raise JobFault if nothing of a region is left in the part of the picture that is used."""
    if weights(mask).max() < _BLACK:
        raise JobFault(
            f"masks: {shown(named.path)} is black wherever the picture is used; expected white "
            "where the region is"
        )
