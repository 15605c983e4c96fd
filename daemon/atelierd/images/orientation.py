"""Which way up a picture is: the orientation that its EXIF or XMP data tell."""

from __future__ import annotations

import os
import struct
from typing import IO

from PIL import ExifTags, Image, ImageFile, PngImagePlugin

#: EXIF orientation to the operation that puts the picture upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Orientations that exchange width and height.
SIDEWAYS = frozenset({5, 6, 7, 8})

_UPRIGHT_ALREADY = 1
_PNG_SIGNATURE_BYTES = 8
#: Chunks of a PNG that are looked through for EXIF data; a photo of 100 MB has some 12,000.
_MAX_CHUNKS = 100_000


def orientation(image: ImageFile.ImageFile, notes: list[str]) -> int:
    """Return the EXIF orientation, 1 (upright) .. 8, of an image that is loaded or only opened.

    Data that cannot be read count as upright and add a note.
    """
    try:
        if isinstance(image, PngImagePlugin.PngImageFile) and image.fp and "exif" not in image.info:
            image.info.update(_png_exif(image.fp))
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, _UPRIGHT_ALREADY)
    except Exception as error:  # noqa: BLE001 - the parser throws nearly every type
        notes.append(f"its EXIF data are damaged and were ignored ({type(error).__name__})")
        return _UPRIGHT_ALREADY
    return value if isinstance(value, int) else _UPRIGHT_ALREADY


def _png_exif(file: IO[bytes]) -> dict[str, bytes]:
    """Return the EXIF data of a PNG file, which may lie behind the pixels, as `exif`, or nothing.

    Pillow's own `getexif` decodes the whole picture to look there.
    """
    file.seek(_PNG_SIGNATURE_BYTES)
    for _ in range(_MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            break
        length, kind = struct.unpack(">I4s", header)
        if kind == b"eXIf":
            return {"exif": file.read(length)}
        file.seek(length + 4, os.SEEK_CUR)
    return {}
