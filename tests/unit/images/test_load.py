"""Every kind of pixel that Pillow delivers ends as sRGB in 0..255, with its alpha."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from atelierd.errors import JobFault
from atelierd.images import load_picture, probe

Save = Callable[..., Path]
Pixels = NDArray[np.uint8]


def tiff(values: NDArray[Any], **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_a_lossless_photo_loads_as_it_was_saved(save: Save, photo: Pixels, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    picture = load_picture(save(Image.fromarray(photo), f"a.{suffix}", **options), "a")
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels, photo)
    assert (picture.width, picture.height, picture.alpha, picture.notes) == (128, 96, None, ())


def test_a_jpeg_loads_close_to_what_was_saved(save: Save, photo: Pixels) -> None:
    picture = load_picture(save(Image.fromarray(photo), "a.jpg", quality=95), "a.jpg")
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 3


def test_scikit_images_own_files_load() -> None:
    for file in ("astronaut.png", "coffee.png", "camera.png", "rocket.jpg", "page.png"):
        path = Path(data.__file__).parent / file
        picture = load_picture(path, file)
        assert picture.pixels.shape[2] == 3
        assert picture.pixels.std() > 5
        info = probe(path, file)
        assert (info.width, info.height) == (picture.width, picture.height)


def test_pixels_can_be_written_to(save: Save, photo: Pixels) -> None:
    assert load_picture(save(Image.fromarray(photo), "a.png"), "a.png").pixels.flags.writeable


def test_gray_gets_three_equal_channels(save: Save, photo: Pixels) -> None:
    gray = Image.fromarray(photo).convert("L")
    picture = load_picture(save(gray, "a.png"), "a.png")
    np.testing.assert_array_equal(picture.pixels, np.asarray(gray.convert("RGB")))


def test_one_bit_becomes_black_and_white(save: Save, photo: Pixels) -> None:
    picture = load_picture(save(Image.fromarray(photo).convert("1"), "a.png"), "a.png")
    assert set(np.unique(picture.pixels)) == {0, 255}


def test_gray_with_alpha_keeps_its_alpha(save: Save) -> None:
    image = Image.new("LA", (2, 1), (90, 255))
    image.putpixel((1, 0), (90, 40))
    picture = load_picture(save(image, "a.png"), "a.png")
    assert picture.pixels.tolist() == [[[90, 90, 90], [90, 90, 90]]]
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 40]]


def test_color_with_alpha_keeps_both_apart(save: Save) -> None:
    image = Image.new("RGBA", (2, 1), (200, 100, 50, 255))
    image.putpixel((1, 0), (10, 20, 30, 128))
    picture = load_picture(save(image, "a.png"), "a.png")
    assert picture.pixels.tolist() == [[[200, 100, 50], [10, 20, 30]]]
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 128]]


def test_colors_that_a_tiff_multiplied_by_alpha_are_divided_again(tmp_path: Path) -> None:
    values = np.array([[[50, 25, 0, 128], [200, 100, 50, 255]]], np.uint8)
    file = tiff(values, photometric="rgb", extrasamples=["ASSOCALPHA"])
    picture = load_picture(file, "a.tif")
    assert picture.pixels[0, 1].tolist() == [200, 100, 50]
    assert np.abs(picture.pixels[0, 0].astype(int) - [100, 50, 0]).max() <= 1


def test_what_nobody_can_see_becomes_white(save: Save) -> None:
    image = Image.new("RGBA", (2, 1), (200, 100, 50, 255))
    image.putpixel((1, 0), (1, 2, 3, 0))
    picture = load_picture(save(image, "a.png"), "a.png")
    assert picture.pixels.tolist() == [[[200, 100, 50], [255, 255, 255]]]


def test_an_alpha_channel_that_hides_nothing_is_dropped(save: Save, photo: Pixels) -> None:
    picture = load_picture(save(Image.fromarray(photo).convert("RGBA"), "a.png"), "a.png")
    assert picture.alpha is None
    np.testing.assert_array_equal(picture.pixels, photo)


def test_a_palette_becomes_its_colors(save: Save, photo: Pixels) -> None:
    image = Image.fromarray(photo).convert("P", palette=Image.Palette.ADAPTIVE)
    picture = load_picture(save(image, "a.png"), "a.png")
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert picture.alpha is None


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 255])], ids=["index", "table"])
@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_palettes_transparent_color_becomes_alpha(
    save: Save, suffix: str, transparency: int | bytes
) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    if suffix == "gif":
        transparency = 1
    picture = load_picture(save(image, f"a.{suffix}", transparency=transparency), "a")
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 0, 255]]
    assert picture.pixels.tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 8, 9)), ("1", 0)])
def test_a_png_color_declared_transparent_becomes_alpha(save: Save, mode: str, key: Any) -> None:
    image = Image.new(mode, (2, 1), key)
    image.putpixel((1, 0), 255 if mode != "RGB" else (200, 100, 50))
    picture = load_picture(save(image, "a.png", transparency=key), "a.png")
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 255]]


def test_16_bit_gray_png_keeps_its_depth(png_of: Callable[..., bytes]) -> None:
    values = np.array([[0, 1, 257, 40000, 65535]], np.uint16)
    picture = load_picture(io.BytesIO(png_of(values)), "a.png")
    assert picture.pixels.dtype == np.float32
    np.testing.assert_allclose(picture.pixels[0, :, 0], values[0] / 257, rtol=1e-6)
    assert (picture.pixels[:, :, 0] == picture.pixels[:, :, 2]).all()


def test_16_bit_gray_png_with_a_transparent_value_gets_alpha(
    png_of: Callable[..., bytes],
) -> None:
    values = np.array([[1000, 2000]], np.uint16)
    picture = load_picture(io.BytesIO(png_of(values, (b"tRNS", b"\x03\xe8"))), "a.png")
    assert picture.alpha is not None
    assert picture.alpha.dtype == np.float32
    assert picture.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_gray_of_few_bits_declared_transparent_becomes_alpha(
    png_of: Callable[..., bytes], bits: int
) -> None:
    white = 2**bits - 1
    values = np.array([[white, 0, white]], np.uint16)
    png = png_of(values, (b"tRNS", white.to_bytes(2)), bits=bits)
    picture = load_picture(io.BytesIO(png), "a.png")
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 255, 0]]
    assert picture.pixels[0, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("byteorder", "photometric"), [("<", "minisblack"), (">", "minisblack"), ("<", "miniswhite")]
)
def test_16_bit_gray_tiff_keeps_its_depth(byteorder: str, photometric: str) -> None:
    values = np.array([[0, 1, 257, 40000, 65535]], np.uint16)
    file = tiff(values, byteorder=byteorder, photometric=photometric)
    picture = load_picture(file, "a.tif")
    expected = values[0] / 257
    if photometric == "miniswhite":
        expected = 255 - expected
    np.testing.assert_allclose(picture.pixels[0, :, 1], expected, rtol=1e-6, atol=1e-4)


def test_16_bit_color_declared_transparent_becomes_alpha(png_of: Callable[..., bytes]) -> None:
    values = np.array([[[300, 600, 60000], [40000, 2, 3]]], np.uint16)
    key = values[0, 0].astype(">u2").tobytes()
    picture = load_picture(io.BytesIO(png_of(values, (b"tRNS", key))), "a.png")
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_color_is_read_as_8_bits_and_says_so(
    png_of: Callable[..., bytes], channels: int
) -> None:
    values = np.random.default_rng(1).integers(1, 65536, (3, 5, channels), dtype=np.uint16)
    for file in (io.BytesIO(png_of(values)), tiff(values, photometric="rgb")):
        picture = load_picture(file, "a")
        assert picture.pixels.dtype == np.uint8
        assert np.abs(picture.pixels - values[:, :, :3] / 257).max() <= 1
        assert picture.notes == ("16 bits a channel were read as 8",)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_a_tiff_whose_values_have_no_scale_is_refused_in_words(kind: type) -> None:
    with pytest.raises(JobFault, match=r"a\.tif: found a TIFF picture of .*convert it first"):
        load_picture(tiff(np.ones((2, 2), kind), photometric="minisblack"), "a.tif")


def test_the_first_frame_of_many_is_taken_and_that_is_said(save: Save, photo: Pixels) -> None:
    first = Image.fromarray(photo)
    rest = [Image.new("RGB", first.size, "red")]
    for suffix in ("tif", "png", "webp", "gif"):
        options = {"lossless": True} if suffix == "webp" else {}
        path = save(first, f"a.{suffix}", save_all=True, append_images=rest, **options)
        picture = load_picture(path, path.name)
        assert "the file holds several pictures; the first one was taken" in picture.notes
        difference = np.abs(picture.pixels.astype(int) - photo).mean()
        assert difference < (12 if suffix == "gif" else 0.01)


def test_an_open_file_stays_open_and_its_position_does_not_matter(
    save: Save, photo: Pixels
) -> None:
    path = save(Image.fromarray(photo), "a.tif", compression="tiff_lzw")
    with path.open("rb") as file:
        file.seek(50)
        picture = load_picture(file, "a.tif")
        assert not file.closed
        again = load_picture(file, "a.tif")
    np.testing.assert_array_equal(picture.pixels, again.pixels)
