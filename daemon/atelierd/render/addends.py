"""What the objective is the sum of, kept for every iteration at no cost of its own.

An engine has the addends once it has the value. They are brought to the host together with the
numbers that the minimizer reads anyway, so the device waits for nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atelierd.engines.base import Array, Objective, Scalar


@dataclass(frozen=True)
class Addends:
    """The addends of one value, weights included; None of a value whose addends are not known."""

    content: float | None = None
    style: float | None = None
    tv: float | None = None


class AddendsKeeper:
    """Stands between a minimizer and its objective, and remembers what it sees go by."""

    def __init__(
        self, objective: Objective, read: Callable[[Sequence[Scalar]], list[float]]
    ) -> None:
        """`read` brings scalars to the host, all in one transfer."""
        self._objective = objective
        self._read = read
        self._unread: Mapping[str, Scalar] = {}
        self._by_value: dict[float, Addends] = {}

    def evaluate(self, x: Array) -> tuple[Any, Array]:
        """Return value and flat gradient at the flat `x`."""
        value, gradient = self._objective.value_and_grad(x.reshape(self._objective.shape))
        self._unread = self._objective.latest
        return value, gradient.reshape(-1)

    def read(self, scalars: Sequence[Scalar]) -> list[float]:
        """Bring scalars to the host; after an evaluation, its value comes first of them."""
        unread, self._unread = self._unread, {}
        numbers = self._read([*scalars, *unread.values()])
        if unread:
            found = zip(unread, numbers[len(scalars) :], strict=True)
            self._by_value[numbers[0]] = Addends(**{name: _short(one) for name, one in found})
        return numbers[: len(scalars)]

    def take(self, value: float) -> Addends | None:
        """Return the addends of `value`, if it was read since the last call."""
        found, self._by_value = self._by_value.get(value), {}
        return found


def _short(number: float) -> float:
    """Return a number with the digits that a curve can show: a receipt holds thousands of them."""
    return float(f"{number:.5g}")
