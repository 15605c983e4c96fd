"""What a loaded picture is, what is known of one before it is decoded, and how big it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

#: Values of 0..255: uint8, or float32 where the file held more than 8 bits.
Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright and in sRGB."""

    pixels: Samples
    """`(H, W, 3)` red, green, blue in 0..255, not multiplied by alpha."""
    alpha: Samples | None = None
    """`(H, W)` in 0 (transparent) .. 255, of the same type as `pixels`; None if all is opaque."""
    notes: tuple[str, ...] = ()
    """Sentences on what was done to the picture or lost of it, for logs and reports."""

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class ImageInfo:
    """What a file's header promises: nothing has been decoded yet."""

    format: str
    """Pillow's name of the file format: `PNG`, `JPEG`, `MPO`, `TIFF`, `WEBP`, `BMP`, `GIF`."""
    width: int
    """Pixels from left to right of the picture held upright."""
    height: int
    """Pixels from top to bottom of the picture held upright."""


@dataclass(frozen=True)
class ImageLimits:
    """How big a picture may be. All are checked before any pixel is decoded."""

    max_pixels: int = 100_000_000
    """Width times height; a picture at this limit takes 1 to 2 GB of memory while it loads."""
    max_side: int = 32_767
    """Pixels of the longer side."""
    max_bytes: int = 1 << 30
    """Bytes of the file."""


DEFAULT_LIMITS = ImageLimits()
#: Of pictures that were accepted: what the configuration allowed was checked then.
ACCEPTED_LIMITS = ImageLimits(max_pixels=10**10)
