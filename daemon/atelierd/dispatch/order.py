"""Which render next: a pure choice from the ledger's facts and from who has had how much."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from atelierd.ledger.rows import RunnableRender


def next_render(
    runnable: Iterable[RunnableRender],
    had: Mapping[str, float],
    *,
    previews_first: bool = False,
) -> RunnableRender | None:
    """Return the render to work on now; None if there is none.

    With `previews_first`, those first that have no draft. The most urgent job first, among equals
    the one that is wanted earliest. Among equals in that, too, what has been begun is finished
    first, so that a picture is there soon; then whoever has `had` the least work of those waiting;
    then the oldest.
    """
    return min(runnable, key=_urgency(had, previews_first), default=None)


def next_taken(
    runnable: Iterable[RunnableRender],
    had: Mapping[str, float],
    takes: Callable[[RunnableRender], bool],
    *,
    previews_first: bool = False,
) -> RunnableRender | None:
    """Return the first render, in the order of `next_render`, that a worker `takes`."""
    waiting = list(runnable)
    first = next_render(waiting, had, previews_first=previews_first)
    if first is None or takes(first):
        return first
    waiting.sort(key=_urgency(had, previews_first))
    return next((one for one in waiting if takes(one)), None)


def _urgency(
    had: Mapping[str, float], previews_first: bool
) -> Callable[[RunnableRender], tuple[float, ...]]:
    def urgency(render: RunnableRender) -> tuple[float, ...]:
        deadline = render.wishes.deadline
        return (
            previews_first and render.drafted,
            -render.priority,
            math.inf if deadline is None else deadline.timestamp(),
            render.iteration == 0,
            had.get(owner_of(render.source), 0.0),
            render.sequence,
            render.index,
        )

    return urgency


def preempts(waiting: RunnableRender, running_priority: int) -> bool:
    """Whether `waiting` is urgent enough to take the device from a render of that priority."""
    return waiting.priority > running_priority


class HighestPriority:
    """The highest priority of those that wait, looked for again only when they have changed."""

    def __init__(self) -> None:
        self._of: Sequence[RunnableRender] = ()
        self._highest = -math.inf

    def of(self, runnable: Sequence[RunnableRender]) -> float:
        """Return the highest of them, minus infinity if there is none."""
        if runnable is not self._of:
            self._of = runnable
            self._highest = max((one.priority for one in runnable), default=-math.inf)
        return self._highest


def owner_of(source: str) -> str:
    """Return whose a job file is: the folder of the inbox that it lay in is mostly a person's."""
    return source.rpartition("/")[0]


class Shares:
    """Seconds of the device that each owner has had, among those who wait.

    Who comes anew starts level with the one who has had the least: an owner neither has to catch
    up on what others had before, nor gets credit for having been away.
    """

    def __init__(self) -> None:
        self._had: dict[str, float] = {}

    def of(self, runnable: Iterable[RunnableRender]) -> Mapping[str, float]:
        """Return the seconds by owner for those who wait now; the others are forgotten."""
        waiting = {owner_of(render.source) for render in runnable}
        known = {owner: had for owner, had in self._had.items() if owner in waiting}
        level = min(known.values(), default=0.0)
        self._had = {owner: known.get(owner, level) for owner in waiting}
        return self._had

    def charge(self, source: str, seconds: float) -> None:
        """Count `seconds` of the device for the owner of the job file `source`."""
        owner = owner_of(source)
        self._had[owner] = self._had.get(owner, 0.0) + max(0.0, seconds)
