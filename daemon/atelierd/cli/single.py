"""One render of files on this machine, with the settings that a job file would have got."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from atelierd.complaints import complaints
from atelierd.errors import JobFault
from atelierd.jobs.expand import title_of
from atelierd.jobs.frozen import FrozenImage, FrozenRegion, FrozenRender, FrozenStyle
from atelierd.jobs.presets import load_preset
from atelierd.jobs.resolved import DEFAULT_PRESET, RenderSettings, resolve
from atelierd.jobs.schema import JobFile, Start
from atelierd.wording import shown


@dataclass(frozen=True)
class Pair:
    """A content and its styles as a render, and where their files are."""

    frozen: FrozenRender
    files: Mapping[str, Path]
    """By the file's hash."""

    def open_input(self, image: FrozenImage) -> Path:
        """Return the file of `image`."""
        return self.files[image.sha256]


def pair(
    content: Path,
    styles: Sequence[Path],
    choices: Mapping[str, Any],
    preset_folders: Sequence[Path],
    shares: Sequence[float] = (),
    masks: Sequence[tuple[Path, Path | None]] = (),
) -> Pair:
    """Return the render of `content` in the blend of `styles`.

    `choices` are keys and values as a job file would have them; here `init` may be any path.
    `shares` are the styles' weights in the blend, alike where they are left out; `masks` are those
    of each region, of the content and maybe of the style. Raises JobFault if a file is missing or
    a choice is not allowed.
    """
    files: dict[str, Path] = {}

    def image(path: Path) -> FrozenImage:
        sha256 = _sha256(path)
        files[sha256] = path
        return FrozenImage(path=str(path), sha256=sha256)

    own = dict(choices)
    start = own.get("init")
    start_file = start if isinstance(start, str) and start not in get_args(Start) else None
    if start_file is not None:
        del own["init"]
    if masks:
        # Whether masks go with the other choices is asked of names that a job file may have.
        own["masks"] = [{"content": "mask"}] * len(masks)
    job, settings = _resolved(own, preset_folders)
    named = job.masks if isinstance(job.masks, list) else [job.masks] if job.masks else []
    regions = masks or [
        (Path(one.content), Path(one.style) if one.style else None) for one in named
    ]
    if start_file is not None:
        settings = settings.model_copy(update={"init": "file"})
    weights = list(shares) or [1.0] * len(styles)
    frozen = FrozenRender(
        title=title_of(content.name, tuple((style.name, 1.0) for style in styles)),
        content=image(content),
        styles=tuple(
            FrozenStyle(**image(style).model_dump(), share=weight / sum(weights))
            for style, weight in zip(styles, weights, strict=True)
        ),
        init=None if start_file is None else image(Path(start_file)),
        masks=tuple(
            FrozenRegion(content=image(of_content), style=image(of_style) if of_style else None)
            for of_content, of_style in regions
        ),
        settings=settings,
    )
    return Pair(frozen, files)


def _resolved(
    choices: Mapping[str, Any], preset_folders: Sequence[Path]
) -> tuple[JobFile, RenderSettings]:
    values = {"content": "content", "style": "style", **choices}
    try:
        job = JobFile.model_validate(values)
    except ValidationError as error:
        lines = complaints(error, JobFile, values, lambda _: (1, 1))
        raise JobFault("\n".join(re.sub(r"^line 1, ", "", line) for line in lines)) from error
    preset = load_preset(job.preset or DEFAULT_PRESET, preset_folders)
    return job, resolve(job, preset, load_preset(DEFAULT_PRESET, preset_folders))


def _sha256(path: Path) -> str:
    # A device or a FIFO of that name would never end.
    if not path.is_file():
        what = "found a folder or a device" if path.exists() else "there is no such file"
        raise JobFault(f"{shown(str(path))}: {what}; expected a picture")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
