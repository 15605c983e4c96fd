"""Between pictures, `(H, W, 3)` RGB in 0..255, and network inputs, `(3, H, W)` minus the mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atelierd.engines.base import Image
from atelierd.engines.recipe import VGG_MEAN, ChannelOrder
from atelierd.images import Samples

#: Every element of a network input stays between these, whichever channel it is: the tutorial's
#: bounds, so that no channel is pushed beyond 0..255.
LOWER, UPPER = -min(VGG_MEAN), 255.0 - max(VGG_MEAN)


def to_network(pixels: Samples, order: ChannelOrder) -> Image:
    """Return RGB `pixels` `(H, W, 3)` as a `(3, H, W)` float32 network input.

    `bgr` feeds the network what it was trained on; `as-is` leaves red first, as the tutorial does,
    with the mean's values in their own order.
    """
    channels = pixels[:, :, ::-1] if order == "bgr" else pixels
    mean = np.asarray(VGG_MEAN, np.float32)
    shifted = channels.astype(np.float32) - mean
    return np.ascontiguousarray(shifted.transpose(2, 0, 1))


def from_network(image: Image, order: ChannelOrder) -> NDArray[np.float32]:
    """Return a network input `(3, H, W)` as RGB pixels `(H, W, 3)` float32, not yet clipped."""
    channels = image.transpose(1, 2, 0) + np.asarray(VGG_MEAN, np.float32)
    return np.ascontiguousarray(channels[:, :, ::-1] if order == "bgr" else channels)
