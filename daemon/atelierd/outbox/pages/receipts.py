"""The receipts of finished renders in `report_files`, as far as they can be believed.

They lie on the share and anybody can edit them: one that is not as it was written does not count,
and everything in it is shown as text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atelierd.outbox import layout
from atelierd.outbox.folder import regular_file
from atelierd.outbox.publish import PublishedFile

#: Bytes of a receipt that are read; one of 100,000 iterations has 20 MB.
LONGEST_RECEIPT = 1 << 25
#: Pixels of a side, iterations, bytes: nothing counted here is larger.
_Count = Annotated[int, Field(ge=0, le=10**15)]
_Side = Annotated[int, Field(ge=1, le=10**6)]
_Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
_Value = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Step(_Part):
    """One iteration."""

    iteration: _Count
    width: _Side
    height: _Side
    value: _Value
    evaluations: _Count
    #: Since the render began.
    seconds: _Seconds
    #: What `value` is the sum of; a receipt of an older atelierd does not say.
    content: _Value | None = None
    style: _Value | None = None
    tv: _Value | None = None


class Phase(_Part):
    """A run of iterations at one size, in one precision."""

    width: _Side
    height: _Side
    iterations: _Count
    precision: str


class Receipt(_Part):
    """How one picture was made."""

    #: Version of the program.
    atelierd: str = ""
    width: _Side
    height: _Side
    iterations: _Count
    evaluations: _Count
    seconds: _Seconds
    objective: _Value
    engine: dict[str, str]
    settings: dict[str, Any]
    phases: list[Phase]
    notes: list[str]
    trace: list[Step]


class Entry(_Part):
    """One finished render."""

    title: str
    files: list[PublishedFile]
    receipt: Receipt


def read_entry(files: Path, index: int, title: str) -> Entry | None:
    """Return the receipt of a render in the open folder `files`; None if there is none.

    Raises OSError if the share fails.
    """
    with regular_file(files / layout.of_render(index, layout.RECEIPT)) as file:
        text = b"" if file is None else file.read(LONGEST_RECEIPT)
    try:
        entry = Entry.model_validate_json(text)
    except ValidationError:
        return None
    return entry if entry.title == title else None
