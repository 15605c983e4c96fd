"""Files that are written hold the pixels, the color space and the words they were given."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from atelierd.errors import JobFault
from atelierd.images import (
    SUFFIXES,
    OutputFormat,
    encode,
    load_picture,
    losses,
    read_metadata,
)
from atelierd.images.color import srgb_profile

Save = Callable[..., Path]
Pixels = NDArray[np.uint8]
FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
ALL_FORMATS = pytest.mark.parametrize("format_", FORMATS)


def opened(content: bytes) -> Any:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("format_", ["png", "tiff", "webp"])
def test_lossless_formats_give_the_pixels_back(photo: Pixels, format_: OutputFormat) -> None:
    content = encode(photo.astype(np.float32), None, format_, 100, {})
    np.testing.assert_array_equal(load_picture(io.BytesIO(content), "a").pixels, photo)


@ALL_FORMATS
def test_every_format_is_srgb_and_says_so(photo: Pixels, format_: OutputFormat) -> None:
    content = encode(photo, None, format_, 95, {})
    assert opened(content).info["icc_profile"] == srgb_profile()
    picture = load_picture(io.BytesIO(content), "a")
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 4
    assert picture.notes == ()


@ALL_FORMATS
def test_the_same_picture_is_the_same_file(photo: Pixels, format_: OutputFormat) -> None:
    words = {"Software": "atelierd", "seed": "7"}
    assert encode(photo, None, format_, 90, words) == encode(photo, None, format_, 90, words)


@ALL_FORMATS
def test_suffixes_name_the_format(photo: Pixels, format_: OutputFormat) -> None:
    registered = Image.registered_extensions()[SUFFIXES[format_]]
    assert opened(encode(photo, None, format_, 90, {})).format == registered


def test_values_are_clipped_and_rounded_or_cut_off() -> None:
    values = np.array([[[-9.0, 0.4, 0.5], [1.5, 254.6, 300.0]]], np.float32)
    rounded = opened(encode(values, None, "png", 90, {}, "round"))
    assert np.asarray(rounded).tolist() == [[[0, 0, 0], [2, 255, 255]]]
    cut = opened(encode(values, None, "png", 90, {}, "truncate"))
    assert np.asarray(cut).tolist() == [[[0, 0, 0], [1, 254, 255]]]


@pytest.mark.parametrize("format_", ["png", "tiff", "webp"])
def test_alpha_is_kept_where_the_format_can(photo: Pixels, format_: OutputFormat) -> None:
    alpha = np.tile(np.linspace(1, 255, 128, dtype=np.float32), (96, 1))
    picture = load_picture(io.BytesIO(encode(photo, alpha, format_, 100, {})), "a")
    np.testing.assert_array_equal(picture.pixels, photo)
    np.testing.assert_array_equal(picture.alpha, np.rint(alpha).astype(np.uint8))
    assert losses(format_, alpha=True) == ()


def test_jpeg_lays_transparent_parts_onto_white_and_says_so() -> None:
    pixels = np.full((16, 48, 3), 100, np.float32)
    alpha = np.repeat(np.array([[0, 51, 255]], np.float32), 16, axis=1).repeat(16, axis=0)
    loaded = load_picture(io.BytesIO(encode(pixels, alpha, "jpeg", 100, {})), "a").pixels
    assert np.abs(loaded[8, [4, 24, 44], 1].astype(int) - [255, 224, 100]).max() <= 2
    assert losses("jpeg", alpha=True) == (
        "JPEG has no transparency: the transparent parts became white",
    )
    assert losses("jpeg", alpha=False) == ()


def test_quality_counts_for_the_lossy_formats(photo: Pixels) -> None:
    for format_ in ("jpeg", "webp"):
        sizes = [len(encode(photo, None, format_, quality, {})) for quality in (10, 60, 95)]
        assert sizes == sorted(sizes)


def test_good_jpeg_keeps_the_color_of_every_pixel() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 255
    loaded = load_picture(io.BytesIO(encode(stripes, None, "jpeg", 95, {})), "a").pixels
    assert np.abs(loaded.astype(int) - stripes).max() < 30


@pytest.mark.parametrize("format_", ["jpeg", "webp"])
def test_more_pixels_a_side_than_the_format_holds_are_refused(format_: OutputFormat) -> None:
    with pytest.raises(JobFault, match=rf"70000 x 1 pixels, but {format_} holds at most"):
        encode(np.zeros((1, 70_000, 3), np.uint8), None, format_, 90, {})


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        encode(np.full((2, 2, 3), np.nan, np.float32), None, "png", 90, {})


WORDS = {
    "Software": "atelierd 0.1.0",
    "Description": "skyline in the manner of <Starry & \N{SNOWMAN} 'Night'>",
    "settings": json.dumps({"size": 512, "nested": {"a": [1, 2]}}),
    "empty": "",
    "lines": "one\r\ntwo\n\tthree ]]> &amp; \\u0041",
}


@ALL_FORMATS
def test_words_come_back_from_every_format(
    tmp_path: Path, photo: Pixels, format_: OutputFormat
) -> None:
    path = tmp_path / f"a{SUFFIXES[format_]}"
    path.write_bytes(encode(photo, None, format_, 90, WORDS))
    assert read_metadata(path) == WORDS


@settings(deadline=None, max_examples=40)
@given(
    words=st.dictionaries(
        st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
        max_size=4,
    )
)
def test_any_words_come_back_from_every_format(
    tmp_path_factory: pytest.TempPathFactory, words: dict[str, str]
) -> None:
    for format_ in FORMATS:
        path = tmp_path_factory.getbasetemp() / "words"
        path.write_bytes(encode(np.zeros((2, 2, 3), np.uint8), None, format_, 90, words))
        assert read_metadata(path) == words


@pytest.mark.parametrize("format_", ["jpeg", "tiff", "webp"])
def test_other_programs_find_software_and_description(photo: Pixels, format_: OutputFormat) -> None:
    exif = opened(encode(photo, None, format_, 90, {"Software": "s", "Description": "d"})).getexif()
    assert (exif[0x0131], exif[0x010E]) == ("s", "d")


@pytest.mark.parametrize(
    "words",
    [{"": "x"}, {" a": "x"}, {"\N{SNOWMAN}": "x"}, {"a" * 80: "x"}, {"a": "\ud800"}],
)
def test_words_that_a_format_could_not_hold_are_refused_by_all(words: dict[str, str]) -> None:
    for format_ in FORMATS:
        with pytest.raises(ValueError, match=r"metadata|surrogates"):
            encode(np.zeros((2, 2, 3), np.uint8), None, format_, 90, words)


def test_words_may_be_long_but_not_endless(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    pixels = np.zeros((2, 2, 3), np.uint8)
    path.write_bytes(encode(pixels, None, "jpeg", 90, {"a": "<" * 14_000}))
    assert read_metadata(path) == {"a": "<" * 14_000}
    with pytest.raises(ValueError, match="at most 60000 bytes"):
        encode(pixels, None, "jpeg", 90, {"a": "x" * 60_000})


def test_a_picture_of_somebody_else_has_no_words(save: Save, photo: Pixels) -> None:
    assert read_metadata(save(Image.fromarray(photo), "a.jpg", xmp=b"<x:xmpmeta/>")) == {}
    assert read_metadata(save(Image.fromarray(photo), "a.tif")) == {}


@pytest.mark.parametrize("text", [b"[1]", b"{broken", b"\xff"])
def test_words_that_were_tampered_with_are_a_fault_in_words(
    save: Save, photo: Pixels, text: bytes
) -> None:
    xmp = b"<atelierd:metadata>" + text + b"</atelierd:metadata>"
    with pytest.raises(JobFault, match=r"a\.jpg"):
        read_metadata(save(Image.fromarray(photo), "a.jpg", xmp=xmp))
