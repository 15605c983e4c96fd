from __future__ import annotations

from datetime import timedelta

from atelierd.engines.cntk.patience import Patience

PATIENCE = Patience(least=timedelta(seconds=10), per_megapixel=timedelta(seconds=100), factor=5.0)


def test_before_anything_was_measured_the_deadline_goes_by_the_number_of_pixels() -> None:
    assert PATIENCE.seconds(2_000_000, None) == 210


def test_a_measured_evaluation_sets_the_deadline_of_the_next_one() -> None:
    assert PATIENCE.seconds(1_000_000, slowest=4e-6) == 20


def test_no_deadline_is_shorter_than_the_least() -> None:
    assert PATIENCE.seconds(1000, slowest=1e-6) == 10


def test_two_slow_cores_at_300_pixels_stay_far_from_the_default_deadline() -> None:
    pixels = 300 * 300
    assert Patience().seconds(pixels, None) > 10 * 5.0
    assert Patience().seconds(pixels, slowest=5.0 / pixels) > 10 * 5.0
