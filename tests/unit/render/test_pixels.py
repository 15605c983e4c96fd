from __future__ import annotations

import numpy as np
import pytest

from atelierd.engines.recipe import ChannelOrder
from atelierd.render.pixels import LOWER, UPPER, from_network, to_network


def test_bgr_gives_the_network_the_order_and_means_that_it_was_trained_on() -> None:
    pixels = np.array([[[10, 20, 30]]], np.uint8)  # red, green, blue
    assert to_network(pixels, "bgr")[:, 0, 0] == pytest.approx(
        [30 - 103.939, 20 - 116.779, 10 - 123.68], abs=1e-5
    )


def test_as_is_is_the_tutorials_quirk_red_first_under_the_mean_of_blue() -> None:
    pixels = np.array([[[10, 20, 30]]], np.uint8)
    assert to_network(pixels, "as-is")[:, 0, 0] == pytest.approx(
        [10 - 103.939, 20 - 116.779, 30 - 123.68], abs=1e-5
    )


@pytest.mark.parametrize("order", ["bgr", "as-is"])
def test_there_and_back_is_the_same_picture(order: ChannelOrder) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    image = to_network(pixels, order)
    assert image.shape == (3, 5, 7) and image.dtype == np.float32
    assert image.flags.c_contiguous
    back = from_network(image, order)
    assert back.shape == (5, 7, 3) and back.dtype == np.float32
    np.testing.assert_array_equal(back.round(), pixels)


def test_the_bounds_are_the_tutorials() -> None:
    assert LOWER == -103.939
    assert pytest.approx(131.32) == UPPER
