"""Colors become sRGB, whatever profile they came with, and a bad profile is no reason to fail."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from atelierd.images import load_picture
from atelierd.images.color import srgb_profile

Save = Callable[..., Path]
Pixels = NDArray[np.uint8]


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_an_embedded_profile_is_converted_to_srgb(
    save: Save, swapped_profile: bytes, suffix: str
) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    image = Image.new("RGB", (4, 4), (255, 0, 0))
    path = save(image, f"a.{suffix}", icc_profile=swapped_profile, **options)
    picture = load_picture(path, "a")
    assert np.abs(picture.pixels.astype(int) - [0, 255, 0]).max() <= 2
    assert picture.notes == ("colors converted from the profile 'sRGB built-in' to sRGB",)


def test_a_profile_that_is_srgb_leaves_every_pixel_alone(save: Save, photo: Pixels) -> None:
    picture = load_picture(save(Image.fromarray(photo), "a.png", icc_profile=srgb_profile()), "a")
    np.testing.assert_array_equal(picture.pixels, photo)
    assert picture.notes == ()


def test_alpha_is_no_color_and_is_not_converted(save: Save, swapped_profile: bytes) -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 77))
    picture = load_picture(save(image, "a.png", icc_profile=swapped_profile), "a.png")
    assert picture.alpha is not None
    assert (picture.alpha == 77).all()
    assert np.abs(picture.pixels.astype(int) - [0, 255, 0]).max() <= 2


def test_a_palette_is_converted_by_its_profile(save: Save, swapped_profile: bytes) -> None:
    image = Image.new("RGB", (4, 4), (255, 0, 0)).convert("P")
    picture = load_picture(save(image, "a.png", icc_profile=swapped_profile), "a.png")
    assert np.abs(picture.pixels.astype(int) - [0, 255, 0]).max() <= 2


def test_a_gray_profile_is_converted(save: Save, gray_profile: bytes) -> None:
    picture = load_picture(
        save(Image.new("L", (4, 4), 55), "a.png", icc_profile=gray_profile), "a.png"
    )
    # 55 / 255 of the light is level 128 or so of sRGB.
    assert np.abs(picture.pixels.astype(int) - 128).max() <= 2


def test_16_bit_gray_with_a_profile_is_converted_in_8_bits(gray_profile: bytes) -> None:
    file = io.BytesIO()
    tag = (34675, 7, len(gray_profile), gray_profile, True)
    values = np.full((4, 4), 55 * 257, np.uint16)
    tifffile.imwrite(file, values, photometric="minisblack", extratags=[tag])
    picture = load_picture(file, "a.tif")
    assert picture.pixels.dtype == np.uint8
    assert np.abs(picture.pixels.astype(int) - 128).max() <= 2


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_with_a_profile_is_converted_by_it(
    save: Save, cmyk_profile: bytes, suffix: str
) -> None:
    image = Image.new("CMYK", (16, 8), (0, 0, 0, 0))
    image.paste((255, 0, 0, 0), (0, 0, 8, 8))
    options = {"quality": 100} if suffix == "jpg" else {}
    path = save(image, f"a.{suffix}", icc_profile=cmyk_profile, **options)
    pixels = load_picture(path, "a").pixels.astype(int)
    red, _, blue = pixels[4, 2]
    assert red > 200
    assert blue < 60
    assert pixels[4, 13].min() > 250


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_without_a_profile_is_guessed_and_that_is_said(save: Save, suffix: str) -> None:
    options = {"quality": 100} if suffix == "jpg" else {}
    path = save(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), f"a.{suffix}", **options)
    picture = load_picture(path, "a")
    assert np.abs(picture.pixels.astype(int) - [0, 255, 255]).max() <= 3
    assert picture.notes == ("CMYK without a color profile: its colors are a guess",)


def test_lab_becomes_srgb(save: Save, photo: Pixels) -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(Image.fromarray(photo), to_lab)
    assert lab is not None
    picture = load_picture(save(lab, "a.tif"), "a.tif")
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 3


def test_ycbcr_becomes_srgb(save: Save, photo: Pixels) -> None:
    picture = load_picture(save(Image.fromarray(photo).convert("YCbCr"), "a.tif"), "a.tif")
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 3


@pytest.mark.parametrize("kind", ["noise", "cut off", "for another kind of color"])
def test_a_profile_that_cannot_be_used_is_ignored_with_a_note(
    save: Save, photo: Pixels, gray_profile: bytes, kind: str
) -> None:
    profile = {
        "noise": b"this is no profile at all" * 9,
        "cut off": srgb_profile()[:200],
        "for another kind of color": gray_profile,
    }[kind]
    picture = load_picture(save(Image.fromarray(photo), "a.png", icc_profile=profile), "a.png")
    np.testing.assert_array_equal(picture.pixels, photo)
    assert len(picture.notes) == 1
    assert "color profile cannot be used and was ignored" in picture.notes[0]


def test_the_srgb_profile_has_no_clock_in_it() -> None:
    first = srgb_profile()
    srgb_profile.cache_clear()
    assert srgb_profile() == first
    assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(first))).strip()
