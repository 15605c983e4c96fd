from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from atelierd.images.previews import (
    LARGE,
    NOW,
    SMALL,
    both_sizes,
    content_stem,
    is_of_render,
    large,
    preview,
    small,
    snapshot_stem,
    style_stem,
    within,
)

SIDES = st.integers(1, 40_000)


@given(SIDES, SIDES)
def test_copies_keep_the_shape_and_are_never_enlarged(width: int, height: int) -> None:
    small_width, small_height = within((width, height), SMALL)
    assert 1 <= small_width <= min(width, SMALL)
    assert 1 <= small_height <= min(height, SMALL)
    if max(width, height) <= SMALL:
        assert (small_width, small_height) == (width, height)


def test_a_picture_gets_a_large_and_a_small_copy() -> None:
    copies = both_sizes("now", np.full((900, 1800, 3), 200.0, np.float32), None)
    sizes = {name: Image.open(io.BytesIO(data)).size for name, data in copies.items()}
    assert sizes == {"now.jpg": (LARGE, 800), "now-small.jpg": (SMALL, 240)}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_is_transparent_becomes_white(dtype: type[np.generic]) -> None:
    pixels = np.zeros((8, 8, 3), dtype)
    data = preview(pixels, np.zeros((8, 8), dtype), SMALL)
    assert np.asarray(Image.open(io.BytesIO(data))).min() >= 250


def test_values_out_of_range_are_clipped() -> None:
    pixels = np.full((8, 8, 3), 900.0, np.float32)
    pixels[:4] = -900.0
    shown = np.asarray(Image.open(io.BytesIO(preview(pixels, None, SMALL))))
    assert (shown[0].max(), shown[-1].min()) == (0, 255)


def test_names_tell_whose_a_copy_is() -> None:
    sha256 = "ab" * 32
    assert [is_of_render(name) for name in (small(NOW), large(NOW))] == [True, True]
    assert is_of_render(small(snapshot_stem(40)))
    assert not is_of_render(large(content_stem(sha256)))
    assert not is_of_render(small(style_stem(sha256)))
