"""Color management: whatever a file's colors mean, they become sRGB."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

#: Color differences up to this many of 255 levels are the rounding of the color engine itself.
_SAME_WITHIN = 1

#: Offset and bytes of the date in an ICC header (2000-01-01), and the profile ID, which is unset.
_ICC_DATE = slice(24, 36)
_FIXED_DATE = bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))


@functools.cache
def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB, the same bytes every time.

    LittleCMS writes the current time into a profile's header; a fixed date instead lets the same
    picture be the same file.
    """
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_ICC_DATE] = _FIXED_DATE
    return bytes(profile)


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """Return `image` (mode L, RGB, CMYK, YCbCr or LAB) in RGB as sRGB, and a note or None.

    `profile` is the ICC profile found in the file; without one, L and RGB are taken as sRGB, CMYK
    is converted by the plain formula 255 - min(255, ink + black), and LAB is CIE L*a*b* with D50
    white. A profile that cannot be used makes a note and the picture is treated as without one.
    Conversion is relative colorimetric with black point compensation, as image editors do it. A
    profile that says nothing else than sRGB leaves the pixels untouched.
    """
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return _transform(lab, "LAB").apply(image), None
    if image.mode == "YCbCr":
        image = image.convert("RGB")
    if not profile:
        guessed = "CMYK without a color profile: its colors are a guess"
        return image.convert("RGB"), guessed if image.mode == "CMYK" else None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = _transform(source, image.mode)
        name = " ".join(ImageCms.getProfileDescription(source).split())[:80] or "unnamed"
        if image.mode == "RGB" and _changes_nothing(transform):
            return image, None
        return transform.apply(image), f"colors converted from the profile {name!r} to sRGB"
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError) as error:
        reason = " ".join(str(error).split())[:80]
        note = f"the embedded color profile cannot be used and was ignored ({reason})"
        return image.convert("RGB"), note


def _transform(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.ImageCmsTransform(
        source,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether an RGB transform leaves a coarse grid of all colors as it is."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    converted = np.asarray(transform.apply(Image.fromarray(grid)))
    return bool(np.abs(converted.astype(int) - grid).max() <= _SAME_WITHIN)
