"""A render as the ledger keeps it: its inputs named by their hash, so nothing can change it.

On acceptance every picture that a job names is copied to `inputs/<first two digits>/<sha256>` in
the state folder (rule 7). Where it came from is kept for messages and receipts only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from atelierd.jobs.resolved import RenderSettings

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FrozenImage(_Frozen):
    """One picture, copied into the state folder."""

    #: Where it lay, relative to the inbox.
    path: str
    sha256: Sha256


class FrozenStyle(FrozenImage):
    """One style picture and its share of the blend; a render's shares add up to 1."""

    share: float


class FrozenRegion(_Frozen):
    """The masks of one region."""

    content: FrozenImage
    #: None if all of the style counts.
    style: FrozenImage | None

    @property
    def images(self) -> tuple[FrozenImage, ...]:
        """Its one or two pictures."""
        return (self.content,) if self.style is None else (self.content, self.style)


class FrozenRender(_Frozen):
    """Everything that one render needs; goes through JSON and back unchanged."""

    #: Unique in the job and safe as a file name on every system.
    title: str
    content: FrozenImage
    styles: tuple[FrozenStyle, ...]
    #: The picture to start from where `settings.init` is `file`.
    init: FrozenImage | None
    #: Regions with a style of their own; none if the style is taken on everywhere.
    masks: tuple[FrozenRegion, ...] = ()
    settings: RenderSettings

    @property
    def images(self) -> tuple[FrozenImage, ...]:
        """All pictures that it needs, masks included."""
        start = () if self.init is None else (self.init,)
        masks = (image for region in self.masks for image in region.images)
        return (self.content, *self.styles, *start, *masks)


def input_path(state: Path, sha256: str) -> Path:
    """Return where the frozen input of that hash lies in the state folder."""
    return state / "inputs" / sha256[:2] / sha256


def job_file_paths(state: Path) -> Iterator[Path]:
    """Give the copies of job files that lie in the state folder, in no order."""
    return (state / "jobs").glob("*/job.yaml")


def job_file_path(state: Path, job_id: str) -> Path:
    """Return where the copy of an accepted job file lies in the state folder."""
    return state / "jobs" / job_id / "job.yaml"
