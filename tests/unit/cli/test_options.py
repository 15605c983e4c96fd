from __future__ import annotations

import pytest
import typer

from atelierd.cli.options import assignments, scalar


def test_values_mean_what_they_would_in_a_job_file() -> None:
    assert assignments(["iterations=5", "tv_weight=1e-3", "init=random", "size=64x48"]) == {
        "iterations": 5,
        "tv_weight": 0.001,
        "init": "random",
        "size": "64x48",
    }


def test_a_dot_reaches_into_a_mapping() -> None:
    assert assignments(["output.format=jpeg", "output.quality=80"]) == {
        "output": {"format": "jpeg", "quality": 80}
    }
    assert assignments(["output={format: webp}", "output.quality=80"]) == {
        "output": {"format": "webp", "quality": 80}
    }


def test_a_value_may_hold_an_equals_sign() -> None:
    assert assignments(["init=a=b.png"]) == {"init": "a=b.png"}


@pytest.mark.parametrize("text", ["iterations", "=5", ".format=png", "seed=[1", "seed=*x"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        assignments([text])


def test_a_key_is_no_value_and_a_mapping_at_once() -> None:
    with pytest.raises(typer.BadParameter, match="twice"):
        assignments(["output=5", "output.format=png"])


def test_a_size_is_read_like_a_job_files() -> None:
    assert scalar("512", "--size") == 512
    assert scalar("original", "--size") == "original"
