"""Faults that lie at a key of the job file, told with the line on which the key stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

from atelierd.complaints import MOST_TOLD, Place, label
from atelierd.errors import JobFault
from atelierd.wording import shown
from atelierd.yamldoc import parse


class PlacedFault(JobFault):
    """A job that is wrong at keys of its file, for a reason that the file alone does not show."""

    def __init__(self, problems: Mapping[Place, str]) -> None:
        """`problems`: by where they stand, what is wrong there, in words."""
        self._problems = problems
        super().__init__("\n".join(self.lines(label)))

    def lines(self, where: Callable[[Place], str]) -> list[str]:
        """Return a line for each problem, `where` giving its beginning; the first ones, if many."""
        told = islice(self._problems.items(), MOST_TOLD)
        untold = len(self._problems) - MOST_TOLD
        lines = [f"{where(place)}: {words}" for place, words in told]
        return [*lines, f"and {untold:,} more problems"] if untold > 0 else lines


def told(fault: JobFault, data: bytes, name: str) -> str:
    """Return the lines of `fault`, each with the file's name and, if it is known, its own line.

    `data` are the bytes of the job file, which `read_job` has read, and `name` is its name.
    """
    lines = str(fault).splitlines()
    if isinstance(fault, PlacedFault):
        document = parse(data, name)
        lines = fault.lines(lambda place: f"line {document.position(place)[0]}, {label(place)}")
    return "\n".join(f"{shown(name)}: {line}" for line in lines)
