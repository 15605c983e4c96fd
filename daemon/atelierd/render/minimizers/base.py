"""The seam between a render and the algorithm that minimizes its objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from atelierd.engines.base import Array, Scalar

MinimizerName = Literal["lbfgs", "lbfgsb", "adam"]

#: Iterations that a run of SciPy's has at most: a restored one repeats as many before it goes on.
LONGEST_RUN = 50

#: What a minimizer needs to go on: flat arrays of the engine's kind, and plain numbers.
State = dict[str, Any]


def _as_it_is(x: Array) -> Array:
    return x


@dataclass(frozen=True)
class Problem:
    """What is minimized: a function of one flat vector between two bounds."""

    evaluate: Callable[[Array], tuple[Scalar, Array]]
    """Flat x -> (value, flat gradient), of the engine's kind of array; the gradient is fresh."""
    read: Callable[[Sequence[Scalar]], list[float]]
    """Bring scalars to the host, all in one transfer."""
    lower: float
    upper: float
    noise: float
    """Relative error of a value: differences below it do not tell better from worse."""
    compact: Callable[[Array], Array] = _as_it_is
    """Array -> one of fewer bytes that is as good for a history of past steps."""
    expand: Callable[[Array], Array] = _as_it_is
    """A compacted array -> one to compute with."""


@dataclass(frozen=True)
class Step:
    """What one iteration did."""

    value: float
    """The objective after the step."""
    evaluations: int
    """Evaluations that the step took."""
    notes: tuple[str, ...] = field(default=())
    """What a person should know of it: a stall, a fallback."""
    converged: bool = False
    """No further step will lower the objective."""


class Minimizer(Protocol):
    """Minimizes from where it was started; `x` is the best point so far."""

    @property
    def x(self) -> Array:
        """The flat vector after the last step, within the bounds."""
        ...

    def step(self) -> Step:
        """Do one iteration. Raises NodeFault if the engine fails."""
        ...

    def state(self) -> State:
        """Return what `restore` needs; arrays in it may be shared, not to be written to."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`: the next steps are those that would have followed, bit for bit."""
        ...

    def close(self) -> None:
        """Let go of whatever the minimizer holds beside its arrays."""
        ...
