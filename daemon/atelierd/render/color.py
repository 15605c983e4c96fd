"""Whose colors a result has: the two ways of Gatys, Bethge, Hertzmann and Shechtman (2016).

"Preserving Color in Neural Artistic Style Transfer", arXiv:1606.05897. `keep` is their
luminance-only transfer, done on the finished picture; `match` is their color histogram matching,
done on the style before it is compared with anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atelierd.images import Picture, resize
from atelierd.images.previews import within

#: Red, green and blue in the luma of YIQ and YCbCr (ITU-R BT.601), which the paper and the first
#: programs of its kind use.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: Long side in pixels of the copies that statistics are taken from.
STATISTICS_SIDE = 1024
#: Variance in squared levels of 0..255 that is added to every direction of color space: about
#: what rounding to 8 bits and mild JPEG compression leave. Where a picture has no variance, as a
#: gray one has none in chroma, its noise is not blown up to the other's colors.
LEAST_VARIANCE = 1.0

RGB = NDArray[np.float32]


def keep_colors(result: RGB, content: RGB) -> RGB:
    """Return a picture with the luma of `result` and the chroma of `content`, in 0..255.

    Both `(H, W, 3)` red, green, blue. A chroma that does not fit into 0..255 at the new luma is
    made paler until it does, so that the luma is always the result's and hues are the content's.
    """
    luma = (result.clip(0, 255) @ LUMA)[:, :, None]
    chroma = content.clip(0, 255)
    chroma -= (chroma @ LUMA)[:, :, None]
    # The largest t at which luma + t * chroma stays within 0..255 in every channel.
    room = np.where(chroma > 0, 255 - luma, luma)
    fits = np.divide(room, np.abs(chroma), out=np.ones_like(chroma), where=np.abs(chroma) > room)
    chroma *= fits.min(axis=2, keepdims=True)
    chroma += luma
    return chroma.clip(0, 255)


@dataclass(frozen=True)
class ColorMap:
    """An affine map of colors: `matrix` (3, 3) and `offset` (3,) for red, green, blue columns."""

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, pixels: NDArray[np.float32] | NDArray[np.uint8]) -> RGB:
        """Return `pixels` `(H, W, 3)` of 0..255 with their colors mapped, clipped to 0..255."""
        mapped = pixels.astype(np.float32) @ self.matrix.T.astype(np.float32)
        mapped += self.offset.astype(np.float32)
        return mapped.clip(0, 255)


def matching(style: Picture, content: Picture) -> ColorMap:
    """Return the map that gives `style` the mean and covariance of `content`'s colors.

    With S and C the covariances of style and content (plus LEAST_VARIANCE on the diagonal), the
    matrix is C^1/2 S^-1/2 with symmetric roots, which the paper found better than Cholesky's.
    Transparent pixels count as far as they are opaque.
    """
    mean_s, S = _statistics(style)
    mean_c, C = _statistics(content)
    matrix = _power(C, 0.5) @ _power(S, -0.5)
    return ColorMap(matrix, mean_c - matrix @ mean_s)


def _statistics(picture: Picture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean `(3,)` and regularized covariance `(3, 3)` of a picture's colors."""
    small = resize(picture, within((picture.width, picture.height), STATISTICS_SIDE))
    colors = small.pixels.reshape(-1, 3).astype(np.float64)
    weights = None if small.alpha is None else small.alpha.ravel().astype(np.float64)
    if weights is not None and not weights.any():
        weights = None
    mean = np.average(colors, axis=0, weights=weights)
    covariance = np.cov(colors, rowvar=False, ddof=0, aweights=weights)
    return mean, covariance + LEAST_VARIANCE * np.eye(3)


def _power(symmetric: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(symmetric)
    raised: NDArray[np.float64] = (vectors * values.clip(LEAST_VARIANCE) ** exponent) @ vectors.T
    return raised
