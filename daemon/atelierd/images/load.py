"""Loading pictures: upright, in sRGB, with alpha kept, and only within limits.

What Pillow cannot deliver, and what happens instead:

- 16-bit gray (PNG, TIFF) and 12-bit gray (TIFF) keep their depth and become float32. With an
  embedded color profile they are reduced to 8 bits first, for Pillow converts profiles in 8 bits.
- 16-bit color with or without alpha (PNG, TIFF) and 16-bit gray with alpha are decoded by Pillow to
  the upper 8 bits of each value. A note says so.
- 32-bit integer and floating-point TIFF are refused: what their values mean is not written in them.
- Of files that hold several pictures or frames (GIF, TIFF, animated PNG and WebP) the first counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from atelierd.errors import JobFault
from atelierd.images.color import to_srgb
from atelierd.images.opening import opened
from atelierd.images.orientation import SIDEWAYS, UPRIGHT, orientation
from atelierd.images.picture import DEFAULT_LIMITS, ImageInfo, ImageLimits, Picture, Samples


def load_picture(file: BinaryIO | Path, name: str, limits: ImageLimits = DEFAULT_LIMITS) -> Picture:
    """Decode `file`, called `name` in messages, into an upright sRGB picture.

    `file` is a path, or an open seekable binary file that the caller closes. Where alpha is 0, the
    color, which nobody has seen, becomes white. Raises JobFault if the file is no picture of an
    allowed format, is damaged, cut off or beyond `limits`; WorldFault if the disk or the share
    fails while it is read.
    """
    with opened(file, name, limits) as source:
        image, notes = source.image, source.notes
        if getattr(image, "is_animated", False):
            notes.append("the file holds several pictures; the first one was taken")
        bits, inverted = _bits(image), _white_is_zero(image)
        image.load()
        pixels, alpha = _decode(image, bits, inverted, name, notes)
    if alpha is not None and bool((alpha == 255).all()):
        alpha = None
    if alpha is not None:
        pixels[alpha == 0] = 255
    return Picture(pixels, alpha, tuple(notes))


def probe(file: BinaryIO | Path, name: str, limits: ImageLimits = DEFAULT_LIMITS) -> ImageInfo:
    """Read format and upright size from the header of `file` without decoding it.

    Raises as `load_picture` does; a file whose header is sound may still fail to load.
    """
    with opened(file, name, limits) as source:
        image = source.image
        width, height = image.size
        # Pillow has already exchanged a TIFF's sides.
        if image.format != "TIFF" and orientation(image, source.notes) in SIDEWAYS:
            width, height = height, width
        return ImageInfo(image.format or "", width, height)


def _decode(
    image: ImageFile.ImageFile, bits: int, inverted: bool, name: str, notes: list[str]
) -> tuple[Samples, Samples | None]:
    """Return pixels `(H, W, 3)` and alpha `(H, W)` or None of a loaded image, upright."""
    if image.mode in ("I", "F"):
        kind = "signed or 32-bit integers" if image.mode == "I" else "floating-point values"
        raise JobFault(
            f"{name}: found a {image.format} picture of {kind}, expected 8 or 16 bits a channel "
            "from black to white; convert it first"
        )
    if bits > 8 and not image.mode.startswith("I;16"):
        notes.append(f"{bits} bits a channel were read as 8")
        if isinstance(key := image.info.get("transparency"), tuple):
            # The color that a PNG declares transparent is not reduced by Pillow; the pixels are.
            image.info["transparency"] = tuple(level >> 8 for level in key)
    if bits < 8 and isinstance(level := image.info.get("transparency"), int):
        # Nor is gray of 2 or 4 bits, whose pixels Pillow spreads over 0..255.
        image.info["transparency"] = level * 255 // (2**bits - 1)
    operation = UPRIGHT.get(orientation(image, notes))
    upright: Image.Image = image if operation is None else image.transpose(operation)
    profile = image.info.get("icc_profile")
    if not upright.mode.startswith("I;16"):
        return _decode_8_bit(upright, profile, notes)
    gray, alpha = _decode_gray_16(upright, bits, inverted)
    if profile:
        pixels, _ = _decode_8_bit(Image.fromarray(np.rint(gray).astype(np.uint8)), profile, notes)
        return pixels, None if alpha is None else np.rint(alpha).astype(np.uint8)
    return np.repeat(gray[:, :, np.newaxis], 3, axis=2), alpha


def _decode_8_bit(
    image: Image.Image, profile: bytes | None, notes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    alpha = None
    if image.has_transparency_data:
        gray = image.mode in ("1", "L", "LA", "La")
        image = _unassociated(image).convert("LA" if gray else "RGBA")
        alpha = np.array(image.getchannel("A"))
        image = image.convert("L" if gray else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK", "YCbCr", "LAB"):
        image = image.convert("RGB")
    image, note = to_srgb(image, profile)
    if note:
        notes.append(note)
    return np.array(image), alpha


def _unassociated(image: Image.Image) -> Image.Image:
    """Return `image` with colors that are not multiplied by alpha."""
    return image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode))


def _decode_gray_16(
    image: Image.Image, bits: int, inverted: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    values = np.asarray(image).astype(np.float32)
    transparent = image.info.get("transparency")
    alpha = None
    if isinstance(transparent, int):
        alpha = np.where(values == transparent, 0, 255).astype(np.float32)
    values *= np.float32(255 / (2**bits - 1))
    return (255 - values if inverted else values), alpha


def _bits(image: ImageFile.ImageFile) -> int:
    """Return the bits a channel of a file that is opened but not loaded."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (8,))))
    # PNG keeps them in the raw mode that its decoder gets, such as `RGB;16B` or `L;4`.
    raw_modes = {str(tile.args) for tile in image.tile}
    if any(";16" in mode for mode in raw_modes):
        return 16
    return next((bits for bits in (2, 4) if f"L;{bits}" in raw_modes), 8)


def _white_is_zero(image: ImageFile.ImageFile) -> bool:
    """Whether 16-bit gray counts from white to black; Pillow puts only 8 bits and less right."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return bool(image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0)
