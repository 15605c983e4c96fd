"""Whether the share is really there: marker files and room on the disk (rules 11 and 12).

`atelierd init` puts a marker file into the inbox and the outbox. A mount point whose share is not
mounted is an ordinary empty folder; only the marker tells the two apart, so nothing is read from
or written to a folder without its marker. Once the marker is back, work goes on by itself.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from atelierd import durable
from atelierd.errors import ConfigError, WorldFault
from atelierd.worldfaults import as_world_fault

MARKER_NAME = ".atelierd-share"
#: Bytes of a marker file that are read; a real one has about 100.
_LONGEST_MARKER = 4_096


class Role(StrEnum):
    """What a folder of a share is for; also the folder's name under the share."""

    INBOX = "inbox"
    OUTBOX = "outbox"


class Marker(BaseModel):
    """What a marker file says."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    #: The same in the inbox and the outbox of one share, and in no other.
    share: str
    role: Role
    version: Literal[1] = 1


def init_share(folder: Path) -> str:
    """Make `folder`'s inbox and outbox with their markers and return the share's id.

    Running it again changes nothing. Raises ConfigError if a marker is there that does not fit,
    OSError if the folders cannot be made.
    """
    found: dict[Role, Marker] = {}
    for role in Role:
        path = folder / role / MARKER_NAME
        (folder / role).mkdir(parents=True, exist_ok=True)
        try:
            found[role] = _read_marker(path)
        except FileNotFoundError:
            continue
        except ValidationError as error:
            raise ConfigError(
                f"{path} is not a marker of atelierd's; delete it and run init again"
            ) from error
        if found[role].role is not role:
            raise ConfigError(
                f"{path} marks this folder as an {found[role].role}, but its name is {role}; "
                "delete the marker if the folder may be used, and run init again"
            )
    ids = {marker.share for marker in found.values()} or {uuid.uuid4().hex}
    if len(ids) > 1:
        raise ConfigError(
            f"the inbox and the outbox in {folder} are marked as parts of two different shares; "
            "delete the marker of the one that was copied here, and run init again"
        )
    (share,) = ids
    for role in Role:
        if role not in found:
            marker = Marker(share=share, role=role)
            durable.write_json(folder / role / MARKER_NAME, marker.model_dump(mode="json"))
    return share


def check_share(folder: Path, role: Role, expected: str | None = None) -> Marker:
    """Return the marker of `folder`, which is to be the share's `role`.

    `expected` is the share's id where it is known. Raises WorldFault, in words, where the folder
    is not there, not the real mount, or another share's.
    """
    path = folder / MARKER_NAME
    try:
        with as_world_fault(folder):
            marker = _read_marker(path)
    except FileNotFoundError as error:
        raise WorldFault(
            f"the {role} {folder} is not there or its marker {MARKER_NAME} is gone: is the share "
            "mounted? If the folder is new, run `atelierd init` on it"
        ) from error
    except (OSError, ValidationError) as error:
        raise WorldFault(
            f"{path} cannot be read as the marker of a share; if the {role} is the right folder, "
            "delete the file and run `atelierd init` again"
        ) from error
    if marker.role is not role:
        raise WorldFault(
            f"{folder} is marked as an {marker.role}, expected the {role}: do the settings, or "
            "the mounts, have the two the wrong way round?"
        )
    if expected is not None and marker.share != expected:
        raise WorldFault(
            f"{folder} is the {role} of another share ({marker.share}, expected {expected}): is "
            "the right share mounted?"
        )
    return marker


def check_free_space(folder: Path, floor: int) -> None:
    """Raise WorldFault unless the disk of `folder` has at least `floor` bytes to spare."""
    try:
        with as_world_fault(folder):
            free = shutil.disk_usage(folder).free
    except FileNotFoundError as error:
        raise WorldFault(f"{folder} is not there: is its disk mounted?") from error
    if free < floor:
        raise WorldFault(
            f"{folder}: {free / 2**20:,.0f} MiB are free on its disk, at least "
            f"{floor / 2**20:,.0f} MiB are kept free; delete something, and the queue goes on by "
            "itself"
        )


def _read_marker(path: Path) -> Marker:
    """Raise OSError, ValidationError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except NotADirectoryError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    try:
        return Marker.model_validate_json(os.read(descriptor, _LONGEST_MARKER))
    finally:
        os.close(descriptor)
