"""What a worker can do, as it tells when it registers: plain data that goes through JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atelierd.engines.base import Precision
from atelierd.render.machine import MachineModel

#: The name of a worker's device among dask's resources; each has one.
RESOURCE = "atelierd-device"
#: The key among what a worker tells the scheduler.
TOLD = "atelierd"


class Capability(BaseModel):
    """A worker's device, and what is known of its speed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    atelierd: str
    """The version that runs there; only the daemon's own is used."""
    incarnation: str
    """Another one each time that the worker registers."""
    pid: int
    device: str
    """As PyTorch calls it: `cpu`, `cuda:0`."""
    description: str
    """For people."""
    memory: int = Field(ge=0)
    """Bytes that a render may take there."""
    precision: Precision = "fp32"
    """What `auto` comes to there."""
    engines: tuple[str, ...] = ("torch",)
    figures: MachineModel | None = None
    """What `atelierd benchmark` has measured there; None if it was not run."""


def read_capability(told: Mapping[str, Any]) -> Capability | None:
    """Return what a worker has told of itself; None for one that is not atelierd's."""
    try:
        return Capability.model_validate(told.get(TOLD))
    except ValidationError:
        return None
