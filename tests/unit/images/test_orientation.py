"""Pictures are held upright, whichever way the camera was held and wherever it says so."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from atelierd.images import load_picture, probe

Save = Callable[..., Path]
Pixels = NDArray[np.uint8]

#: What the file holds, for an upright picture, under each orientation (EXIF 2.3, 4.6.4).
AS_STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", AS_STORED)
def test_every_exif_orientation_is_put_upright(
    save: Save, photo: Pixels, orientation: int, suffix: str
) -> None:
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](photo)))
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(stored, f"a.{suffix}", exif=exif(orientation), **options)
    np.testing.assert_array_equal(load_picture(path, "a").pixels, photo)
    info = probe(path, "a")
    assert (info.width, info.height) == (128, 96)


def test_a_phones_jpeg_is_put_upright(save: Save, photo: Pixels) -> None:
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[6](photo)))
    path = save(stored, "a.jpg", exif=exif(6), quality=95)
    picture = load_picture(path, "a.jpg")
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 3
    assert (probe(path, "a.jpg").width, probe(path, "a.jpg").height) == (128, 96)


def test_16_bit_gray_is_put_upright(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.uint16).reshape(2, 3) * 10000
    path = tmp_path / "a.png"
    Image.fromarray(np.ascontiguousarray(np.rot90(values))).save(path, exif=exif(6))
    picture = load_picture(path, "a.png")
    np.testing.assert_allclose(picture.pixels[:, :, 0], values / 257, rtol=1e-6)


def test_transparency_turns_with_the_picture(save: Save) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putdata([0, 1])
    picture = load_picture(save(image, "a.png", transparency=1, exif=exif(6)), "a.png")
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255], [0]]


def test_exif_data_behind_a_pngs_pixels_count(save: Save, photo: Pixels) -> None:
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[6](photo)))
    path = save(stored, "a.png")
    content = path.read_bytes()
    late = b"eXIf" + exif(6).tobytes().removeprefix(b"Exif\0\0")
    end = content.index(b"IEND") - 4
    chunk = struct.pack(">I", len(late) - 4) + late + struct.pack(">I", zlib.crc32(late))
    path.write_bytes(content[:end] + chunk + content[end:])
    info = probe(path, "a.png")
    assert (info.width, info.height) == (128, 96)
    np.testing.assert_array_equal(load_picture(path, "a.png").pixels, photo)


def test_an_orientation_in_xmp_counts(save: Save, photo: Pixels) -> None:
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[3](photo)))
    path = save(stored, "a.webp", lossless=True, xmp=b'<x tiff:Orientation="3"/>')
    np.testing.assert_array_equal(load_picture(path, "a.webp").pixels, photo)


def test_an_orientation_that_does_not_exist_changes_nothing(save: Save, photo: Pixels) -> None:
    path = save(Image.fromarray(photo), "a.png", exif=exif(9))
    np.testing.assert_array_equal(load_picture(path, "a.png").pixels, photo)


def test_damaged_exif_data_are_ignored_with_a_note(save: Save, photo: Pixels) -> None:
    path = save(Image.fromarray(photo), "a.png", exif=b"Exif\0\0no such thing")
    picture = load_picture(path, "a.png")
    np.testing.assert_array_equal(picture.pixels, photo)
    assert any("EXIF data are damaged" in note for note in picture.notes)
    assert probe(path, "a.png").width == 128
