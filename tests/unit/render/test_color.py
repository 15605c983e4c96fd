from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from atelierd.images import Picture
from atelierd.render.color import LUMA, keep_colors, matching

Pixels = NDArray[np.float32]


def noise(seed: int, spread: float = 20.0, height: int = 40, width: int = 50) -> Pixels:
    """A picture around gray whose channels depend on each other."""
    generator = np.random.default_rng(seed)
    mixing = 0.7 * np.eye(3) + generator.uniform(-0.3, 0.3, (3, 3))
    mixed = generator.normal(0, spread, (height, width, 3)) @ mixing
    mixed += generator.uniform(100, 150, 3)
    assert mixed.min() > 0 and mixed.max() < 255
    return mixed.astype(np.float32)


def statistics(pixels: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    colors = pixels.reshape(-1, 3).astype(np.float64)
    return colors.mean(0), np.cov(colors, rowvar=False)


def test_kept_colors_have_the_results_luma_and_the_contents_chroma() -> None:
    result, content = noise(1), noise(2)
    kept = keep_colors(result, content)
    np.testing.assert_allclose(kept @ LUMA, result @ LUMA, atol=1e-3)
    chroma = content - (content @ LUMA)[:, :, None]
    np.testing.assert_allclose(kept - (kept @ LUMA)[:, :, None], chroma, atol=1e-3)


def test_a_chroma_that_does_not_fit_becomes_paler_and_the_luma_stays() -> None:
    content = np.zeros((1, 3, 3), np.float32)
    content[0, :] = (255, 0, 0), (0, 0, 255), (20, 200, 90)
    for luma in (0.0, 3.0, 128.0, 250.0, 255.0):
        result = np.full((1, 3, 3), luma, np.float32)
        kept = keep_colors(result, content)
        assert kept.min() >= 0 and kept.max() <= 255
        np.testing.assert_allclose(kept @ LUMA, luma, atol=1e-3)
    half = keep_colors(np.full((1, 3, 3), 128, np.float32), content)
    assert half[0, 0].argmax() == 0 and half[0, 1].argmax() == 2 and half[0, 2].argmax() == 1


def test_a_gray_content_keeps_gray_and_values_beyond_the_range_are_cut_off_first() -> None:
    gray = np.repeat(noise(3)[:, :, :1], 3, axis=2)
    kept = keep_colors(noise(1) + 200, gray)
    assert np.ptp(kept, axis=2).max() < 1e-3
    np.testing.assert_allclose(kept[:, :, 0], (noise(1) + 200).clip(0, 255) @ LUMA, atol=1e-3)


def test_neither_picture_is_changed() -> None:
    result, content = noise(1), noise(2)
    keep_colors(result, content)
    np.testing.assert_array_equal(result, noise(1))
    np.testing.assert_array_equal(content, noise(2))


def test_a_matched_style_has_the_contents_mean_and_covariance() -> None:
    style, content = noise(1), noise(2)
    matched = matching(Picture(style), Picture(content))(style)
    mean, covariance = statistics(matched)
    expected_mean, expected = statistics(content)
    np.testing.assert_allclose(mean, expected_mean, atol=0.5)
    assert np.linalg.norm(covariance - expected) < 0.03 * np.linalg.norm(expected)
    assert np.linalg.norm(statistics(style)[1] - expected) > 0.3 * np.linalg.norm(expected)


def test_matching_a_picture_to_itself_changes_nothing() -> None:
    pixels = noise(4)
    np.testing.assert_allclose(matching(Picture(pixels), Picture(pixels))(pixels), pixels, atol=0.1)


def test_a_style_that_is_gray_but_for_its_noise_gets_no_colors_blown_up_from_it() -> None:
    generator = np.random.default_rng(5)
    gray = np.repeat(noise(3)[:, :, :1], 3, axis=2)
    nearly = (gray + generator.normal(0, 0.3, gray.shape)).astype(np.float32)
    content = noise(2, spread=25)
    matched = matching(Picture(nearly), Picture(content))(nearly)
    assert np.isfinite(matched).all()
    # Along the grays it takes on all of the content's spread, across them little of it.
    _, found = statistics(matched)
    _, expected = statistics(content)
    assert np.linalg.eigvalsh(found)[0] < 0.3 * np.linalg.eigvalsh(expected)[0]
    assert np.trace(found) > 0.2 * np.trace(expected)


@pytest.mark.parametrize("height", [1, 30])
def test_constant_pictures_are_no_obstacle(height: int) -> None:
    flat = Picture(np.full((height, height, 3), (10, 200, 90), np.uint8))
    colored = Picture(noise(2))
    onto_colored = matching(flat, colored)(flat.pixels)
    np.testing.assert_allclose(
        onto_colored, np.broadcast_to(statistics(noise(2))[0], onto_colored.shape), atol=0.1
    )
    onto_flat = matching(colored, flat)(noise(2))
    assert np.abs(onto_flat - np.array([10, 200, 90])).max() < 6


def test_a_gray_content_makes_the_style_gray() -> None:
    gray = Picture(np.repeat(noise(3)[:, :, :1], 3, axis=2))
    matched = matching(Picture(noise(1)), gray)(noise(1))
    assert np.ptp(matched, axis=2).mean() < 3


def test_what_is_transparent_does_not_count() -> None:
    content = noise(2)
    wide = np.concatenate([content, np.full_like(content, 255)], axis=1)
    alpha = np.zeros(wide.shape[:2], np.float32)
    alpha[:, : content.shape[1]] = 255
    style = noise(1)
    seen = matching(Picture(style), Picture(wide, alpha))(style)
    np.testing.assert_allclose(seen, matching(Picture(style), Picture(content))(style), atol=0.05)
    nothing = Picture(content, np.zeros(content.shape[:2], np.float32))
    assert np.isfinite(matching(Picture(style), nothing)(style)).all()
