"""Pictures and color profiles that the tests of the images package share."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from skimage import data

Save = Callable[..., Path]


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """`(96, 128, 3)`: a part of scikit-image's astronaut."""
    return np.asarray(Image.open(Path(data.__file__).parent / "astronaut.png"))[20:116, 160:288]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """A function that saves a Pillow image under a name and returns its path."""

    def save(image: Image.Image, name: str, **options: Any) -> Path:
        path = tmp_path / name
        image.save(path, **options)
        return path

    return save


@pytest.fixture(scope="session")
def png_of() -> Callable[..., bytes]:
    """A function that makes a PNG of an array with any bits a channel, which Pillow cannot."""

    def png_of(values: NDArray[np.uint16], *extra: tuple[bytes, bytes], bits: int = 16) -> bytes:
        channels = 1 if values.ndim == 2 else values.shape[2]
        color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
        digits = values[..., np.newaxis] >> np.arange(bits)[::-1] & 1
        rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in digits)
        header = struct.pack(">IIBBBBB", *values.shape[1::-1], bits, color_type, 0, 0, 0)
        chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)

    return png_of


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


@pytest.fixture(scope="session")
def one_color_png() -> Callable[[int, int], bytes]:
    """A function that makes a true PNG of width x height white pixels without holding them."""

    def one_color_png(width: int, height: int) -> bytes:
        row = b"\0" + b"\xff" * ((width + 7) // 8)
        packer = zlib.compressobj(1)
        packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
        header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)

    return one_color_png


@pytest.fixture(scope="session")
def swapped_profile() -> bytes:
    """An ICC profile like sRGB whose red is what sRGB calls green, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swap = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    (count,) = struct.unpack_from(">I", profile, 128)
    out = bytearray(profile)
    for tag in range(132, 132 + 12 * count, 12):
        out[tag : tag + 4] = swap.get(profile[tag : tag + 4], profile[tag : tag + 4])
    return bytes(out)


@pytest.fixture(scope="session")
def gray_profile() -> bytes:
    """An ICC profile of gray with gamma 1.0: linear light."""
    gamma_1 = b"curv" + bytes(4) + struct.pack(">I", 0)
    return _icc(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": gamma_1})


@pytest.fixture(scope="session")
def cmyk_profile() -> bytes:
    """An ICC profile of CMYK with a twist: cyan ink makes red, the other inks black."""
    inks = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(16, 4)
    white, red, black = (255, 128, 128), (137, 208, 195), (0, 128, 128)
    grid = [black if ink[1:].any() else red if ink[0] else white for ink in inks]
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + identity * 4
    table += bytes(level for point in grid for level in point) + identity * 3
    return _icc(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _icc(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return an ICC version 2 profile with what LittleCMS asks of one."""
    text = b"made for a test\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"desc": description, b"wtpt": white, **tags}
    offset = 128 + 4 + 12 * len(tags)
    directory, content = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        directory += name + struct.pack(">II", offset + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    header = bytearray(128)
    header[0:4] = struct.pack(">I", offset + len(content))
    header[8:12] = b"\x02\x40\0\0"
    header[12:24] = device + space + connection
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    return bytes(header) + directory + content
