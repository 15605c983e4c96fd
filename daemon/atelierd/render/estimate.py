"""How long a render will still take, from how long its iterations have taken."""

from __future__ import annotations

from collections.abc import Sequence

from atelierd.render.live import TraceEntry
from atelierd.render.plan import Phase, Plan

#: Iterations that the present pace is taken from, the newest ones.
RECENT = 20
#: Relative cost of an iteration in each precision (measured on a CPU with AVX-512 BF16; tf32, which
#: only GPUs have, is taken to cost as much as bf16).
COST = {"fp32": 2.0, "tf32": 1.0, "bf16": 1.0}


def pace(plan: Plan, trace: Sequence[TraceEntry]) -> float | None:
    """Return the seconds that an iteration takes at present; None before there is one.

    The first iteration of a phase also compiles its objective, so it counts only while there is
    no other.
    """
    if not trace:
        return None
    begun = _begin_of(plan, _current(plan, trace[-1].iteration))
    of_phase = [entry for entry in trace if entry.iteration > begun]
    count = min(RECENT, len(of_phase) - 1)
    if count:
        return (trace[-1].seconds - trace[-1 - count].seconds) / count
    before = trace[-2].seconds if len(trace) > 1 else 0.0
    return trace[-1].seconds - before


def seconds_left(plan: Plan, trace: Sequence[TraceEntry]) -> float | None:
    """Return the seconds until the render ends; None before its first iteration.

    Phases to come are taken to cost what the present one does, pixel for pixel.
    """
    present = pace(plan, trace)
    if present is None:
        return None
    done = trace[-1].iteration
    index = _current(plan, done)
    here = plan.phases[index]
    left = (_begin_of(plan, index) + here.iterations - done) * present
    return left + sum(
        phase.iterations * present * _cost(phase) / _cost(here)
        for phase in plan.phases[index + 1 :]
    )


def _current(plan: Plan, iteration: int) -> int:
    """Return the index of the phase that the `iteration`-th iteration, counted from 1, is in."""
    end = 0
    for index, phase in enumerate(plan.phases):
        end += phase.iterations
        if iteration <= end:
            return index
    return len(plan.phases) - 1


def _begin_of(plan: Plan, index: int) -> int:
    return sum(phase.iterations for phase in plan.phases[:index])


def _cost(phase: Phase) -> float:
    return phase.width * phase.height * COST[phase.precision]
