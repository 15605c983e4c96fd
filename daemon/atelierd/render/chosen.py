"""The plan that a render was begun with, kept in its work folder.

How much memory is free differs from hour to hour, and with it the plan that would be made; but the
same bytes come out only if a render goes on as it began (rule 15 of the spool rules). What ran out
of memory is kept, too: the next attempt takes less (rule 17).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from atelierd import durable
from atelierd.engines.base import Execution, Precision
from atelierd.errors import JobFault
from atelierd.render.plan import Plan
from atelierd.render.planner import Forecast, Planner

logger = logging.getLogger(__name__)

_CHOSEN = "plan.json"
_RAN_OUT = "ran-out.json"
#: Share of what ran out of memory that the next attempt may take, by the same forecast.
LESS = 0.7


def choose(
    work: Path, planner: Planner, course: Plan, available: int, say: Callable[[str], None]
) -> Forecast:
    """Return how a render is to be executed, and keep it in its work folder, made if need be.

    As it began, if that still fits; after it has run out of memory, with less. Raises JobFault if
    it cannot fit, OSError.
    """
    ran_out = _ran_out(work)
    budget = available if ran_out is None else min(available, round(ran_out * LESS))
    begun = _begun(work, course)
    if begun is not None and planner.knows(begun):
        forecast = planner.forecast(begun)
        if forecast.bytes <= budget:
            return forecast
    try:
        forecast = planner.fitting(course, budget)
    except JobFault:
        if ran_out is None:
            raise
        # Less than this there is not: an attempt more may find more memory free.
        forecast = planner.smallest(course)
        if forecast.bytes > available:
            planner.fitting(course, available)
    if begun is not None and begun != forecast.plan:
        say(f"planned anew, for {budget / 2**30:.1f} GiB of memory")
    work.mkdir(parents=True, exist_ok=True)
    durable.write_json(
        work / _CHOSEN,
        {
            "course": course.course,
            "executions": [asdict(phase.execution) for phase in forecast.plan.phases],
            "bytes": forecast.bytes,
        },
    )
    return forecast


def note_out_of_memory(work: Path) -> None:
    """Note that the render ran out of memory with the plan in its work folder. Raises OSError."""
    try:
        needed = json.loads((work / _CHOSEN).read_bytes())["bytes"]
    except FileNotFoundError:
        return  # it ran out before anything was planned
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("%s: is damaged: %s", work / _CHOSEN, error)
        return
    durable.write_json(work / _RAN_OUT, {"bytes": needed})


def begun_precision(work: Path) -> Precision | None:
    """Return the precision that the render in `work` was begun in; None if it was not begun."""
    try:
        course = str(json.loads((work / _CHOSEN).read_bytes())["course"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    places = {course.find(f"'{one}'"): one for one in get_args(Precision)}
    return min(((at, one) for at, one in places.items() if at >= 0), default=(0, None))[1]


def _begun(work: Path, course: Plan) -> Plan | None:
    """Return the plan that the render was begun with; None if there is none of this course."""
    try:
        kept = json.loads((work / _CHOSEN).read_bytes())
        if kept["course"] != course.course:
            return None
        return course.executed([Execution(**one) for one in kept["executions"]])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("%s: is damaged: %s", work / _CHOSEN, error)
        return None


def _ran_out(work: Path) -> int | None:
    try:
        return int(json.loads((work / _RAN_OUT).read_bytes())["bytes"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("%s: is damaged: %s", work / _RAN_OUT, error)
        return None
