"""The pictures that a job file names, before anybody looks for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import get_args

from atelierd.jobs.matching import is_pattern
from atelierd.jobs.relative import relative_path
from atelierd.jobs.schema import JobFile, Start


@dataclass(frozen=True, slots=True)
class Named:
    """One path or pattern of a job file."""

    text: str
    """As the job file writes it."""
    path: PurePosixPath
    is_pattern: bool
    """Whether files that match count if there is none of just that name."""


def names_of(job: JobFile) -> tuple[Named, ...]:
    """Return all paths and patterns of `job`, once each. Raises JobFault for one not allowed."""
    return tuple(
        Named(text, relative_path(text), may_match and is_pattern(text))
        for text, may_match in dict.fromkeys(_texts(job))
    )


def _texts(job: JobFile) -> Iterator[tuple[str, bool]]:
    """Give each text, and whether it may be a pattern: not in a blend, for `init` or a mask."""
    for content in job.content if isinstance(job.content, list) else [job.content]:
        yield content, True
    for style in job.style if isinstance(job.style, list) else [job.style]:
        if isinstance(style, dict):
            yield from ((text, False) for text in style)
        else:
            yield style, True
    if job.init is not None and job.init not in get_args(Start):
        yield job.init, False
    for region in job.masks if isinstance(job.masks, list) else [job.masks] if job.masks else []:
        yield region.content, False
        if region.style is not None:
            yield region.style, False
