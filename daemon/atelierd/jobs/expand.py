"""A job as the list of renders it comes to: each content with each style."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath

from atelierd.complaints import Place
from atelierd.errors import JobFault
from atelierd.jobs.matching import is_pattern
from atelierd.jobs.opening import MissingError
from atelierd.jobs.paths import Root
from atelierd.jobs.placed import PlacedFault
from atelierd.jobs.resolved import RenderSettings
from atelierd.jobs.schema import JobFile, Region
from atelierd.jobs.titles import LONGEST_TITLE, file_safe, unique

#: Renders that one job may come to where nothing else is said.
MOST_RENDERS = 10_000
#: Relative difference from 1 that rounding leaves in a sum of shares.
_ROUNDING = 1e-12

Styles = tuple[tuple[str, float], ...]
#: Paths of the masks of each region: of the content, and of the style if only a part of it counts.
Masks = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class RenderSpec:
    """One render of a job. Paths are relative to the inbox, with `/` between their parts."""

    index: int
    """Position in the job, from 0."""
    title: str
    """Unique in the job whatever the letters' case, and safe as a file name on every system."""
    content: str
    styles: Styles
    """Paths of the style images with their shares of the blend, which add up to 1."""
    init_file: str | None
    """The picture to start from where `settings.init` is `file`, else None."""
    settings: RenderSettings
    masks: Masks = ()
    """None where the style is taken on everywhere."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every file that the render reads."""
        start = () if self.init_file is None else (self.init_file,)
        masks = (path for region in self.masks for path in region if path is not None)
        return (self.content, *(path for path, _ in self.styles), *start, *masks)


def expand(
    job: JobFile,
    settings: RenderSettings,
    root: Root,
    folder: PurePosixPath,
    most_renders: int = MOST_RENDERS,
) -> list[RenderSpec]:
    """Return the renders of `job`, whose file lies in `folder` of the inbox `root`.

    Contents in the order of the job file, each with all styles in theirs; a file that is listed
    or matched twice counts once. Raises PlacedFault if a path is refused, JobFault if there are
    more than `most_renders`; MissingError, naming all that is missing, if that is all that is
    wrong; NotReadyError, WorldFault as `Root` does.
    """
    lookup = _Lookup(root, folder)
    contents = lookup.contents(job.content)
    styles = lookup.styles(job.style)
    init_file = lookup.one(("init",), str(job.init)) if settings.init == "file" else None
    masks = lookup.masks(job.masks)
    lookup.raise_problems()
    number = len(contents) * len(styles)
    if number > most_renders:
        raise JobFault(
            f"content x style: found {len(contents):,} x {len(styles):,} = {number:,} renders; "
            f"expected at most {most_renders:,}; split the job"
        )
    pairs = list(product(contents, styles))
    titles = unique([title_of(content, blend) for content, blend in pairs])
    return [
        RenderSpec(index, title, content, blend, init_file, settings, masks)
        for index, (title, (content, blend)) in enumerate(zip(titles, pairs, strict=True))
    ]


def inputs(renders: Iterable[RenderSpec]) -> list[str]:
    """Return every file that the renders read, once each, in order."""
    return list(dict.fromkeys(path for render in renders for path in render.inputs))


class _Lookup:
    """Finds what a job names, and goes on after a problem so that all are told at once."""

    def __init__(self, root: Root, folder: PurePosixPath) -> None:
        self._root = root
        self._folder = folder
        self._faults: dict[Place, str] = {}
        self._missing: list[str] = []

    def contents(self, named: str | list[str]) -> list[str]:
        patterns = [named] if isinstance(named, str) else named
        placed = zip(_places("content", named), patterns, strict=True)
        found = [path for place, pattern in placed for path in self._files(place, pattern)]
        return list(dict.fromkeys(found))

    def styles(self, named: str | dict[str, float] | list[str | dict[str, float]]) -> list[Styles]:
        found: list[Styles] = []
        items = named if isinstance(named, list) else [named]
        for place, item in zip(_places("style", named), items, strict=True):
            if isinstance(item, dict):
                found += self._blend(place, item)
            else:
                found += [((path, 1.0),) for path in self._files(place, item)]
        return list(dict.fromkeys(found))

    def one(self, place: Place, named: str) -> str | None:
        paths = self._try(place, named, lambda: [self._root.find(named, self._folder)])
        return str(paths[0]) if paths else None

    def masks(self, named: Region | list[Region] | None) -> Masks:
        found: list[tuple[str, str | None]] = []
        regions = named if isinstance(named, list) else [named] if named else []
        for place, region in zip(_places("masks", named or []), regions, strict=True):
            content = self.one((*place, "content"), region.content)
            named_style = region.style
            style = None if named_style is None else self.one((*place, "style"), named_style)
            if content is not None:
                found.append((content, style))
        return tuple(found)

    def raise_problems(self) -> None:
        if self._faults:
            raise PlacedFault(self._faults)
        if self._missing:
            raise MissingError(*dict.fromkeys(self._missing))

    def _files(self, place: Place, named: str) -> list[str]:
        def look() -> list[PurePosixPath]:
            try:
                return [self._root.find(named, self._folder)]
            except MissingError:
                matches = self._root.glob(named, self._folder) if is_pattern(named) else []
                if not matches:
                    raise
                return matches

        return [str(path) for path in self._try(place, named, look)]

    def _blend(self, place: Place, weights: dict[str, float]) -> list[Styles]:
        found: dict[str, float] = {}
        for named, weight in weights.items():
            path = self.one((*place, named), named)
            if path is not None:
                found[path] = found.get(path, 0.0) + weight
        total = math.fsum(found.values())
        if math.isclose(total, 1.0, rel_tol=_ROUNDING):
            # Shares already, as a receipt gives them: dividing again would change their last digit.
            total = 1.0
        return [tuple((path, weight / total) for path, weight in found.items())] if found else []

    def _try(
        self, place: Place, named: str, look: Callable[[], list[PurePosixPath]]
    ) -> list[PurePosixPath]:
        try:
            return look()
        except MissingError:
            self._missing.append(named)
        except JobFault as fault:
            self._faults[place] = str(fault)
        return []


def _places(key: str, named: object) -> list[Place]:
    """Return where in the job file the items of `key` stand."""
    return [(key, i) for i in range(len(named))] if isinstance(named, list) else [(key,)]


def title_of(content: str, styles: Styles) -> str:
    """Return what a render of these is called, safe as a file name: `photo-painting`."""
    half = LONGEST_TITLE // 2 - 1
    of_content = file_safe(PurePosixPath(content).stem, half)
    of_styles = "+".join(PurePosixPath(path).stem for path, _ in styles)
    return file_safe(f"{of_content}-{file_safe(of_styles, half)}")
