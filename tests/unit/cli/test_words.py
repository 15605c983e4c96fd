from __future__ import annotations

import pytest

from atelierd.cli import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-:--"), (-3.0, "0:00"), (0.4, "0:00"), (59.6, "1:00"), (3725, "1:02:05")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (34754660.0, "34,754,660"), (9999.44, "9999.4"), (0.25, "0.25")]
)
def test_objectives(value: float | None, text: str) -> None:
    assert words.objective(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.0452, "45 ms/it"), (0.314, "0.31 s/it")]
)
def test_paces(seconds: float | None, text: str) -> None:
    assert words.pace(seconds) == text


def test_counts_and_sizes() -> None:
    assert words.count(1, "job") == "1 job"
    assert words.count(3000, "job") == "3,000 jobs"
    assert words.size(25) == "25 bytes"
    assert words.size(8_631) == "8.6 kB"
    assert words.size(58_861_616) == "58.9 MB"
    assert words.size(3.1e9) == "3.1 GB"
