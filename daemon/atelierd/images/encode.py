"""Turning pixels into the bytes of a picture file: sRGB, 8 bits a channel, repeatable.

The same pixels and metadata give the same bytes. Pillow writes color in 8 bits only, so TIFF, too,
has 8 bits a channel.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from atelierd.errors import JobFault
from atelierd.images import metadata as words
from atelierd.images.color import srgb_profile
from atelierd.images.picture import Samples

OutputFormat = Literal["png", "jpeg", "tiff", "webp"]
Rounding = Literal["round", "truncate"]

#: What a file name of each format ends with.
SUFFIXES: dict[OutputFormat, str] = {
    "png": ".png",
    "jpeg": ".jpg",
    "tiff": ".tif",
    "webp": ".webp",
}
#: Pixels a side that a format can hold, where it is few.
MAX_SIDE: dict[OutputFormat, int] = {"jpeg": 65_500, "webp": 16_383}

#: JPEG of this quality or more keeps the color of every pixel, not the mean of 2 x 2 pixels.
_FULL_COLOR_QUALITY = 90
#: TIFF's horizontal differencing, which makes Deflate work well on pictures.
_TIFF_DIFFERENCES = 2


def encode(
    pixels: Samples,
    alpha: Samples | None,
    format: OutputFormat,  # noqa: A002 - the word that job files use
    quality: int,
    metadata: Mapping[str, str],
    rounding: Rounding = "round",
) -> bytes:
    """Return a picture file of `pixels` `(H, W, 3)` and `alpha` `(H, W)`, values of 0..255.

    Values beyond 0..255 are clipped; fractions are rounded to the nearest level (half to even) or
    cut off. `quality` is 1..100 for JPEG and WebP (100 makes WebP lossless) and of no meaning for
    PNG and TIFF, which are always lossless. JPEG has no transparency: there, the picture is laid
    onto white (see `losses`). Raises JobFault if the format cannot hold so many pixels a side,
    ValueError for values that are not finite or metadata that `metadata.check` refuses.
    """
    words.check(metadata)
    check_size((pixels.shape[1], pixels.shape[0]), format)
    if alpha is not None and format == "jpeg":
        pixels, alpha = _onto_white(pixels, alpha), None
    levels = _levels(pixels, rounding)
    if alpha is not None:
        levels = np.dstack([levels, _levels(alpha, "round")])
    file = io.BytesIO()
    Image.fromarray(levels).save(
        file, format=format, icc_profile=srgb_profile(), **_options(format, quality, metadata)
    )
    return file.getvalue()


def check_size(size: tuple[int, int], format: OutputFormat) -> None:  # noqa: A002 - as above
    """Raise JobFault if the format cannot hold a picture of `size` = (width, height) pixels."""
    limit = MAX_SIDE.get(format)
    if limit is not None and max(size) > limit:
        raise JobFault(
            f"output: found {size[0]} x {size[1]} pixels, but {format} holds at most {limit} a "
            "side; choose png or tiff, or a smaller size"
        )


def losses(format: OutputFormat, *, alpha: bool) -> tuple[str, ...]:  # noqa: A002 - as above
    """Return a sentence for each thing that a picture loses in this format."""
    if format == "jpeg" and alpha:
        return ("JPEG has no transparency: the transparent parts became white",)
    return ()


def _options(format: OutputFormat, quality: int, metadata: Mapping[str, str]) -> dict[str, Any]:  # noqa: A002
    """Return what Pillow's `save` is told for this format."""
    if format == "png":
        return {"pnginfo": words.as_png(metadata)}
    if format == "tiff":
        tags = words.as_tiff(metadata)
        tags[TiffImagePlugin.PREDICTOR] = _TIFF_DIFFERENCES
        return {"compression": "tiff_adobe_deflate", "tiffinfo": tags}
    described = {"exif": words.as_exif(metadata), "xmp": words.as_xmp(metadata)}
    if format == "webp":
        return {"quality": quality, "lossless": quality == 100, **described}
    full_color = {"subsampling": "4:4:4"} if quality >= _FULL_COLOR_QUALITY else {}
    return {"quality": quality, **full_color, **described}


def _levels(values: Samples, rounding: Rounding) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values.astype(np.uint8)
    if not bool(np.isfinite(values).all()):
        raise ValueError("the picture has values that are not finite")
    clipped = values.clip(0, 255)
    return (np.rint(clipped) if rounding == "round" else clipped).astype(np.uint8)


def _onto_white(pixels: Samples, alpha: Samples) -> NDArray[np.float32]:
    opacity = alpha.astype(np.float32)[:, :, np.newaxis] / 255
    flat: NDArray[np.float32] = (255 - opacity * (255 - pixels)).astype(np.float32)
    return flat
