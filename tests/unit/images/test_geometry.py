"""Sizes are what was asked for, and the tutorial's square is reproduced pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from atelierd.images import Crop, Picture, Size, fit_size, resize
from atelierd.images.geometry import centered_box

Pixels = NDArray[np.uint8]


@pytest.mark.parametrize(
    ("size", "crop", "expected"),
    [
        (512, "none", (512, 341)),
        (3000, "none", (3000, 2000)),
        ((640, 480), "none", (640, 480)),
        ((640, 480), "square", (640, 480)),
        ("original", "none", (1500, 1000)),
        (300, "square", (300, 300)),
        ("original", "square", (1000, 1000)),
    ],
)
def test_a_size_is_what_was_asked_for(size: Size, crop: Crop, expected: tuple[int, int]) -> None:
    assert fit_size(1500, 1000, size, crop) == expected


def test_the_long_side_may_be_the_height() -> None:
    assert fit_size(1000, 1500, 300) == (200, 300)


@given(st.integers(1, 40_000), st.integers(1, 40_000), st.integers(1, 40_000))
def test_no_side_is_ever_zero_and_the_long_one_is_exact(width: int, height: int, size: int) -> None:
    fitted = fit_size(width, height, size)
    assert min(fitted) >= 1
    assert max(fitted) == size


@pytest.mark.parametrize("size", [0, -5, (0, 3), (3, -1)])
def test_sizes_that_are_not_positive_are_refused(size: Size) -> None:
    with pytest.raises(ValueError, match="expected"):
        fit_size(10, 10, size)


def tutorial_pixels(photo: Pixels, size: int) -> Pixels:
    """The tutorial's own steps: a crop by half pixels, then Pillow's bicubic resize."""
    image = Image.fromarray(photo)
    half_width, half_height = image.width / 2, image.height / 2
    half = min(half_width, half_height)
    box = (half_width - half, half_height - half, half_width + half, half_height + half)
    square = image.crop(box)
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def coffee() -> Pixels:
    """`(600, 600, 3)`: scikit-image's cup of coffee, stretched."""
    return np.asarray(Image.open(Path(data.__file__).parent / "coffee.png").resize((600, 600)))


@pytest.mark.parametrize("shape", [(400, 600), (600, 400), (399, 600), (512, 511), (301, 300)])
@pytest.mark.parametrize("size", [64, 300, 777])
def test_a_square_crop_gives_the_tutorials_pixels(
    coffee: Pixels, shape: tuple[int, int], size: int
) -> None:
    photo = coffee[: shape[0], : shape[1]]
    resized = resize(Picture(photo), (size, size), crop=True)
    np.testing.assert_array_equal(resized.pixels, tutorial_pixels(photo, size))


def test_a_crop_keeps_the_middle_and_the_aspect() -> None:
    assert centered_box(100, 50, (10, 10)) == (25, 0, 75, 50)
    assert centered_box(100, 50, (40, 10)) == (0, 12, 100, 38)
    assert centered_box(50, 100, (16, 9)) == (0, 36, 50, 64)
    assert centered_box(50, 100, (50, 100)) == (0, 0, 50, 100)


@given(*[st.integers(1, 3000)] * 4)
def test_a_cropped_part_is_never_empty_nor_outside(w: int, h: int, tw: int, th: int) -> None:
    left, top, right, bottom = centered_box(w, h, (tw, th))
    assert 0 <= left < right <= w
    assert 0 <= top < bottom <= h


def test_without_a_crop_the_whole_picture_is_kept(photo: Pixels) -> None:
    resized = resize(Picture(photo), (50, 70))
    expected = Image.fromarray(photo).resize((50, 70), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(resized.pixels, np.asarray(expected))


def test_8_bits_stay_8_bits_and_float_stays_float(photo: Pixels) -> None:
    assert resize(Picture(photo), (60, 45)).pixels.dtype == np.uint8
    deep = resize(Picture(photo.astype(np.float32)), (60, 45)).pixels
    assert deep.dtype == np.float32
    assert np.abs(deep - resize(Picture(photo), (60, 45)).pixels).max() <= 1
    assert len(np.unique(deep)) > 256


def test_float_pixels_do_not_overshoot(photo: Pixels) -> None:
    edges = np.where(photo > 128, 255, 0).astype(np.float32)
    enlarged = resize(Picture(edges), (500, 400)).pixels
    assert (enlarged.min(), enlarged.max()) == (0, 255)


def test_alpha_and_notes_come_along(photo: Pixels) -> None:
    alpha = np.zeros((96, 128), np.uint8)
    alpha[:, 64:] = 255
    resized = resize(Picture(photo, alpha, ("a note",)), (32, 32), crop=True)
    assert resized.alpha is not None
    assert resized.alpha.shape == (32, 32)
    assert (resized.alpha[:, :14] == 0).all()
    assert (resized.alpha[:, 18:] == 255).all()
    assert resized.notes == ("a note",)


def test_the_same_size_gives_the_same_pixels_but_not_the_same_array(photo: Pixels) -> None:
    resized = resize(Picture(photo), (128, 96))
    np.testing.assert_array_equal(resized.pixels, photo)
    assert not np.shares_memory(resized.pixels, photo)
