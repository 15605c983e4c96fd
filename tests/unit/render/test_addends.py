from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from atelierd.engines.torch.engine import TorchEngine
from atelierd.render.addends import Addends, AddendsKeeper

Begin = Any


@pytest.mark.parametrize("minimizer", ["lbfgs", "lbfgsb", "adam"])
def test_every_iteration_knows_what_its_value_is_the_sum_of(begin: Begin, minimizer: str) -> None:
    live = begin(minimizer=minimizer)
    while not live.finished:
        live.iterate()
    for entry in live.course.trace:
        total = entry.content + entry.style + entry.tv
        assert total == pytest.approx(entry.value, rel=1e-3), entry


def test_the_addends_are_those_of_the_picture_as_it_is(begin: Begin, engine: TorchEngine) -> None:
    live = begin(scales=1)
    for _ in range(3):
        entry = live.iterate()
    terms = live._keeper._objective.terms(live._minimizer.x.reshape(3, 64, 80))
    for name, value in terms.items():
        assert getattr(entry, name) == pytest.approx(value, rel=1e-3), name


class Counted:
    """An objective with addends that go by its number of evaluations, and what is read of it."""

    shape = (3, 1, 1)

    def __init__(self) -> None:
        self.evaluations = 0
        self.latest: dict[str, float] = {}
        self.transfers: list[int] = []

    def value_and_grad(self, x: Any) -> tuple[float, Any]:
        self.evaluations += 1
        self.latest = {"content": 1.0, "style": 10.0 * self.evaluations, "tv": 0.123456789}
        return sum(self.latest.values()), np.zeros(self.shape)

    def terms(self, x: Any) -> dict[str, float]:
        return self.latest

    def read(self, scalars: Sequence[Any]) -> list[float]:
        self.transfers.append(len(scalars))
        return [float(scalar) for scalar in scalars]


def test_they_come_with_what_is_read_anyway_and_that_is_left_as_it_is() -> None:
    counted = Counted()
    keeper = AddendsKeeper(counted, counted.read)
    value, gradient = keeper.evaluate(np.zeros(3))
    assert gradient.shape == (3,)
    assert keeper.read([value, 5.0]) == [value, 5.0]
    assert keeper.read([7.0]) == [7.0]
    assert counted.transfers == [5, 1]
    assert keeper.take(value) == Addends(1.0, 10.0, 0.12346)


def test_of_several_evaluations_those_of_the_value_that_was_taken_are_told() -> None:
    counted = Counted()
    keeper = AddendsKeeper(counted, counted.read)
    values = []
    for _ in range(3):
        value, _gradient = keeper.evaluate(np.zeros(3))
        values += keeper.read([value])
    found = keeper.take(values[1])
    assert found is not None
    assert found.style == 20.0
    assert keeper.take(values[1]) is None, "they are kept for one step"
