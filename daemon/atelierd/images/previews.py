"""Small copies of pictures, for the pages in the outbox: how big, how called, how encoded.

A worker makes them, for it has decoded the pictures already: strangers' files are decoded in no
process that has to live on. Each comes in two sizes, `large` to look at and `small` for lists.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from atelierd.images.encode import encode
from atelierd.images.geometry import resize
from atelierd.images.picture import Picture, Samples

#: Longest side in pixels of the two sizes; a picture that is smaller is not enlarged.
LARGE, SMALL = 1600, 480
#: JPEG quality of the two sizes.
_QUALITY = {LARGE: 90, SMALL: 82}
#: Digits of a picture's SHA-256 that tell it from the others of a job.
_DIGITS = 16

#: The picture as it is now; it is there from a render's first seconds on.
NOW = "now"


def content_stem(sha256: str) -> str:
    """Return the name of a content's copies without size and extension; a job has one of each."""
    return f"content-{sha256[:_DIGITS]}"


def style_stem(sha256: str) -> str:
    """Return the name of a style's copies, as `content_stem` does."""
    return f"style-{sha256[:_DIGITS]}"


def snapshot_stem(iteration: int) -> str:
    """Return the name of a snapshot's copies; they sort by iteration."""
    return f"snapshot-{iteration:06d}"


def large(stem: str) -> str:
    """Return the file name of the large copy."""
    return f"{stem}.jpg"


def small(stem: str) -> str:
    """Return the file name of the small copy."""
    return f"{stem}-small.jpg"


def is_of_render(name: str) -> bool:
    """Whether a copy shows one render's progress, not a picture that others may share."""
    return name.startswith((f"{NOW}-", f"{NOW}.", "snapshot-"))


def within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return (width, height) shrunk in proportion, so that no side is longer than `longest`."""
    factor = min(1.0, longest / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def preview(pixels: Samples, alpha: Samples | None, longest: int) -> bytes:
    """Return a JPEG of `pixels` `(H, W, 3)` in 0..255, laid onto white where `alpha` says so."""
    picture = Picture(pixels.astype(np.float32).clip(0, 255), _float(alpha))
    size = within((picture.width, picture.height), longest)
    if size != (picture.width, picture.height):
        picture = resize(picture, size)
    return encode(picture.pixels, picture.alpha, "jpeg", _QUALITY[longest], {})


def both_sizes(stem: str, pixels: Samples, alpha: Samples | None) -> Mapping[str, bytes]:
    """Return the large and the small copy by their file names."""
    return {
        large(stem): preview(pixels, alpha, LARGE),
        small(stem): preview(pixels, alpha, SMALL),
    }


def _float(alpha: Samples | None) -> Samples | None:
    return None if alpha is None else alpha.astype(np.float32)
