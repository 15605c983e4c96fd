"""What travels between the daemon and a worker: plain data, and the bytes of files in parts.

A worker shares no folder with the daemon. What it lacks it asks for by name: pictures and weights
by what they hold, the work folder by the mark of its newest checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from atelierd.errors import NodeFault
from atelierd.render.segment import SegmentOrder, SegmentReport
from atelierd.weights.network import Network

#: Bytes of a file that travel at once; more of a file come in parts of that size.
PART = 8 * 2**20
#: Bytes of small files that come with the report at once.
INLINE = 2 * 2**20

FileKind = Literal["input", "weights", "work"]


@dataclass(frozen=True)
class Errand:
    """A segment that a worker is asked for."""

    order: SegmentOrder
    """Its folders are the daemon's, and mean nothing to a worker."""
    after: str
    """The mark of the newest checkpoint that the daemon has of the render; empty if it has none.

    A worker that has come to another point, in a segment that nobody waits for any more, gives up
    what it has and takes the daemon's word.
    """
    network: Network
    weights: str
    """SHA-256 of the network's numbers."""
    inputs: tuple[str, ...]
    """SHA-256 of each picture."""


@dataclass(frozen=True)
class FileName:
    """A file that is asked for, or sent."""

    kind: FileKind
    name: str
    """SHA-256 of a picture; network; path in a render's work folder."""

    def __reduce__(self) -> tuple[type[FileName], tuple[FileKind, str]]:
        # Made anew where it arrives, so that the name is looked at there, too.
        return FileName, (self.kind, self.name)

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if path.is_absolute() or not path.parts or ".." in path.parts:
            raise NodeFault(
                f"a file called {self.name!r} was sent; the cluster is not to be trusted"
            )


@dataclass(frozen=True)
class Lacking:
    """What a worker has to be sent before it can begin."""

    files: tuple[FileName, ...]
    """Pictures and weights."""
    work: bool
    """Whether it lacks the work folder."""


@dataclass(frozen=True)
class Part:
    """Some bytes of a file on its way to a worker."""

    render_id: str
    file: FileName
    offset: int
    size: int
    """Of the whole file."""
    data: bytes


@dataclass(frozen=True)
class Brought:
    """What a segment has come to, and the files of its work folder that are new."""

    report: SegmentReport
    files: tuple[tuple[str, int], ...]
    """Name and size of each, in the order in which they are to be kept: the checkpoint last."""
    inline: dict[str, bytes]
    """The small ones; the others are asked for part by part."""
