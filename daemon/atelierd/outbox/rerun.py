"""`job.yaml`: a job with every setting written out, to run it again as it was.

It follows from the ledger alone. Paths are the files that were found, relative to the inbox, so no
pattern in it can match anything else later; what each picture held is told by its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from atelierd import durable
from atelierd.jobs.frozen import FrozenRegion, FrozenRender, FrozenStyle
from atelierd.jobs.resolved import RenderSettings
from atelierd.jobs.schema import JobFile, Precision
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.outbox import layout
from atelierd.outbox.folder import JobFolder, opened, regular_file
from atelierd.wording import shown

#: Pictures whose hashes are told.
TOLD_AT_MOST = 100
_WIDTH = 100


class _Quoted(str):
    """A person's words: in quotes, for without them some are numbers or mean something else."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper with `_Quoted` added."""


_Dumper.add_representer(
    _Quoted,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"'),
)


def rerun_file(
    job: JobRow, renders: Sequence[RenderRow], precision: Precision | None = None
) -> bytes:
    """Return the job file of `job` with every setting of its `renders`, of which there are some.

    `precision` is what was computed in, where the job left that to the device.
    """
    frozen = [FrozenRender.model_validate_json(render.spec) for render in renders]
    contents = [_Quoted(path) for path in dict.fromkeys(one.content.path for one in frozen)]
    styles = list({_blend(render.styles): render.styles for render in frozen}.values())
    keys: dict[str, Any] = {
        "content": contents if len(contents) > 1 else contents[0],
        "style": [_style(s) for s in styles] if len(styles) > 1 else _style(styles[0]),
        "name": _Quoted(_name(job)),
        "priority": job.priority,
        # Moments are past when it is run again; hours come again.
        **({"window": _Quoted(job.wishes.window)} if job.wishes.window else {}),
        **_settings(frozen[0], precision),
        **_masks(frozen[0].masks),
    }
    text = yaml.dump(keys, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return "\n".join([*_heading(job, frozen), text]).encode()


def write_rerun(
    folder: JobFolder,
    job: JobRow,
    renders: Sequence[RenderRow],
    precision: Precision | None = None,
) -> None:
    """Put `job.yaml` into the job's folder, unless a person has changed the one that is there.

    Raises FolderLostError, WorldFault.
    """
    before, now = rerun_file(job, renders), rerun_file(job, renders, precision)
    with opened(folder) as here:
        with regular_file(here / layout.JOB_FILE) as file:
            found = None if file is None else file.read(len(before) + 1)
        if found is None or (found == before and now != before):
            durable.write_bytes(here / layout.JOB_FILE, now)


def _settings(frozen: FrozenRender, precision: Precision | None) -> dict[str, Any]:
    settings: RenderSettings = frozen.settings
    keys = settings.model_dump(mode="json") | {"preset": _Quoted(settings.preset)}
    if isinstance(settings.size, tuple):
        keys["size"] = f"{settings.size[0]}x{settings.size[1]}"
    if frozen.init is not None:
        keys["init"] = _Quoted(frozen.init.path)
    if settings.precision == "auto" and precision is not None:
        keys["precision"] = precision
    keys["output"] = {"format": keys.pop("output_format"), "quality": keys.pop("output_quality")}
    return keys


def _blend(styles: Sequence[FrozenStyle]) -> tuple[tuple[str, float], ...]:
    return tuple((style.path, style.share) for style in styles)


def _style(styles: Sequence[FrozenStyle]) -> str | dict[str, float]:
    if len(styles) == 1:
        return _Quoted(styles[0].path)
    return {_Quoted(style.path): style.share for style in styles}


def _masks(regions: Sequence[FrozenRegion]) -> dict[str, Any]:
    """Return the key `masks`; nothing where there are none, for no preset can have any."""
    masks = []
    for region in regions:
        style = {} if region.style is None else {"style": _Quoted(region.style.path)}
        masks.append({"content": _Quoted(region.content.path), **style})
    return {"masks": masks} if masks else {}


def _name(job: JobRow) -> str:
    """Return the job's name, or its folder's where a job file may not say the name."""
    try:
        JobFile(content="a", style="a", name=job.name)
    except ValidationError:
        return job.folder
    return job.name


def _heading(job: JobRow, frozen: Sequence[FrozenRender]) -> list[str]:
    pictures = {image.path: image.sha256 for render in frozen for image in render.images}
    told = [f"#   {sha256}  {shown(path)}" for path, sha256 in pictures.items()]
    more = len(told) - TOLD_AT_MOST
    return [
        f"# {shown(job.source)}, accepted {job.accepted_at:%Y-%m-%d %H:%M} UTC, with every setting",
        f"# written out ({layout.ORIGINAL} is the file as it was dropped). Put into an inbox that",
        "# has the same pictures, it gives the same result. Their SHA-256:",
        *told[:TOLD_AT_MOST],
        *([f"#   and {more} more"] if more > 0 else []),
    ]
