"""Making the minimizer that the settings name."""

from __future__ import annotations

from atelierd.engines.base import Array
from atelierd.render.minimizers.adam import Adam
from atelierd.render.minimizers.base import Minimizer, MinimizerName, Problem
from atelierd.render.minimizers.lbfgs import Lbfgs


def make_minimizer(
    name: MinimizerName,
    problem: Problem,
    x: Array,
    restart_every: int,
    previous: Minimizer | None = None,
) -> Minimizer:
    """Return the minimizer called `name`, to start at flat `x`.

    `restart_every` is the number of iterations after which `lbfgsb` drops its history, as the
    tutorial's does with each snapshot; the others never do. `previous` is the minimizer of the
    phase before: where it is of the same kind and size, what it has learned is taken over.
    """
    if name == "lbfgs":
        return Lbfgs(problem, x, previous if isinstance(previous, Lbfgs) else None)
    if name == "adam":
        return Adam(problem, x)
    # Imported here: SciPy is not wanted in a process that does not minimize.
    from atelierd.render.minimizers.lbfgsb import ScipyLbfgsb

    return ScipyLbfgsb(problem, x, restart_every)
