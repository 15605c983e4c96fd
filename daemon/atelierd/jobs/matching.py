"""Patterns such as `photos/**/*.jpg`, matched below an open folder without following a link."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from atelierd.errors import JobFault
from atelierd.jobs.ignored import is_ignored, is_job_name
from atelierd.jobs.listing import folded
from atelierd.jobs.opening import in_words, open_folder
from atelierd.jobs.relative import relative_path
from atelierd.wording import shown

#: Names that one pattern may look at; more is a pattern that asks for the whole share.
MOST_LOOKED_AT = 200_000
#: Folders inside each other that `**` goes down.
DEEPEST = 32

_ANY_FOLDERS = "**"


def is_pattern(text: str) -> bool:
    """Whether `text` may be a pattern; a file of just that name goes first."""
    return any(sign in text for sign in "*?[")


def split_pattern(path: PurePosixPath) -> tuple[PurePosixPath, tuple[str, ...]]:
    """Return the folders before the first pattern among `path`'s parts, and the other parts."""
    parts = path.parts
    plain = next((i for i, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    return PurePosixPath(*parts[:plain]), parts[plain:]


class Matcher:
    """One pattern, below one folder."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        """`parts`: one pattern for each level of folders, the last for the files' names."""
        self._parts = tuple(
            None if part == _ANY_FOLDERS else re.compile(fnmatch.translate(folded(part)))
            for part in (*parts, *(["*"] if parts[-1] == _ANY_FOLDERS else []))
        )
        self._looked_at = 0

    def files(self, folder: int, path: PurePosixPath) -> set[PurePosixPath]:
        """Return the regular files that match below the open `folder`, each under `path`.

        Raises JobFault, NotReadyError, WorldFault.
        """
        with in_words(path):
            return set(self._matches(folder, path, self._parts, 0))

    def _matches(
        self,
        folder: int,
        path: PurePosixPath,
        parts: tuple[re.Pattern[str] | None, ...],
        depth: int,
    ) -> Iterator[PurePosixPath]:
        first, rest = parts[0], parts[1:]
        if first is None:
            yield from self._matches(folder, path, rest, depth)
        if first is None or rest:
            if depth >= DEEPEST:
                return
            below = parts if first is None else rest
            for name in self._names(folder, first, folders=True):
                descriptor = open_folder(folder, name, path / name)
                try:
                    yield from self._matches(descriptor, path / name, below, depth + 1)
                finally:
                    os.close(descriptor)
        else:
            for name in self._names(folder, first, folders=False):
                yield path / _writable(name, path)

    def _names(self, folder: int, pattern: re.Pattern[str] | None, *, folders: bool) -> list[str]:
        names = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self._looked_at += 1
                if self._looked_at > MOST_LOOKED_AT:
                    raise JobFault(
                        f"the pattern looks at more than {MOST_LOOKED_AT:,} files; "
                        "start it with a folder that has fewer"
                    )
                if is_ignored(entry.name) or (pattern and not pattern.match(folded(entry.name))):
                    continue
                if folders:
                    wanted = entry.is_dir(follow_symlinks=False)
                else:
                    wanted = entry.is_file(follow_symlinks=False) and not is_job_name(entry.name)
                if wanted:
                    names.append(entry.name)
        return names


def _writable(name: str, path: PurePosixPath) -> str:
    """Return `name` if a job file could name it: so that whatever follows can take it as text."""
    try:
        usable = relative_path(name) == PurePosixPath(name)
    except JobFault:
        usable = False
    if not usable:
        raise JobFault(
            f"{shown(str(path / name))} has a name that cannot be used (a backslash, a control "
            "character, or no UTF-8); rename it"
        )
    return name
