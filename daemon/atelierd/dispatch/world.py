"""Whether the world is to blame: the share, its disk, or the state folder's (rule 17)."""

from __future__ import annotations

from pathlib import Path

from atelierd import durable
from atelierd.errors import WorldFault
from atelierd.share import Role, check_free_space, check_share


def check_world(outbox: Path, state: Path, free_space: int) -> None:
    """Raise WorldFault unless the outbox is there and both disks have `free_space` bytes left."""
    check_share(outbox, Role.OUTBOX)
    for folder in (outbox, state):
        check_free_space(folder, free_space)


def is_world_well(outbox: Path, state: Path, free_space: int) -> bool:
    """Whether outbox and state folder can be written, as a small file in each shows."""
    try:
        check_world(outbox, state, free_space)
        for folder in (outbox, state):
            probe = folder / f"{durable.TEMPORARY_PREFIX}probe"
            durable.write_bytes(probe, b"atelierd asks whether it can write here\n")
            probe.unlink(missing_ok=True)
    except (WorldFault, OSError):
        return False
    return True
