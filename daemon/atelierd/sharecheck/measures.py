"""What was measured of a folder; times in seconds, amounts in bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Renames:
    """What renaming does."""

    over_existing: bool
    """Whether a file that is there can be replaced."""
    between_folders: bool
    same_inode: bool
    """Whether a file keeps its inode when it is renamed."""
    gaps: int
    """How often a reader found no file or half a one while it was replaced; 0 is atomic."""


@dataclass(frozen=True)
class Syncs:
    """What fsync does."""

    file_refused: str | None
    """The system's words; None if it works."""
    folder_refused: str | None
    seconds: float
    """From making a small file to having it safe under its name."""


@dataclass(frozen=True)
class Times:
    """How files' times are kept."""

    ahead: float
    """The server's clock minus this machine's; 0 as far as it can be told."""
    grain: float | None
    """Times are kept in steps of this; None if a time that is set does not stay."""


@dataclass(frozen=True)
class Names:
    """Which names there can be."""

    folds_case: bool
    one_when_composed: bool
    """Whether a name is found by another composition of its accents."""
    changed: str | None
    """What becomes of a composed name in a listing: `decomposed`, `changed`, or None."""
    refused: tuple[str, ...]
    """What is special about names that are not taken as they are."""
    longest: int


@dataclass(frozen=True)
class Events:
    """Whether the kernel tells of changes."""

    delay: float | None
    """None if no event came of what this machine did."""


@dataclass(frozen=True)
class Pace:
    """How fast files of some megabytes go, in bytes per second."""

    written: float
    read: float
    whole: bool
    """Whether what was read is what was written."""


@dataclass(frozen=True)
class Scan:
    """What a walk through the folder takes."""

    seconds: float
    names: int


@dataclass(frozen=True)
class Room:
    """How much fits."""

    free: int
    total: int


@dataclass(frozen=True)
class Lag:
    """How late a change is seen that was made on another way to the folder; None: not in time."""

    name: float | None
    """A new file in a listing."""
    size: float | None
    """A new size in a listing."""
    opened: float | None
    """A new size of a file that is opened."""
    event: bool
    """Whether a file event told of any of it."""
