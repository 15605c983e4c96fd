"""A yard for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.yard import Yard

YardMaker = Callable[[str], Yard]


@pytest.fixture
def new_yard(tmp_path: Path, random_weights: Path) -> Iterator[YardMaker]:
    """Return a function that makes a yard of a name."""
    yards = []

    def make(name: str) -> Yard:
        yard = Yard(tmp_path / name, random_weights)
        yards.append(yard)
        return yard

    yield make
    for yard in yards:
        yard.end()


@pytest.fixture
def yard(new_yard: YardMaker) -> Yard:
    return new_yard("yard")
