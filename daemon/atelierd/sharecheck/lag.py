"""How late this machine sees what was changed on another way to the same folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from atelierd.errors import AtelierError
from atelierd.sharecheck.ground import Ground
from atelierd.sharecheck.measures import Lag
from atelierd.sharecheck.trials import listening

#: Seconds that a change has to be seen; an NFS client may believe for a minute.
PATIENCE = 70.0
_LOOK_EVERY = 0.1
_BOTH = ("by size", "opened")


class OtherWayError(AtelierError):
    """The other path does not lead to the folder; the message says so."""


def measure_lag(ground: Ground, other: Path, patience: float = PATIENCE) -> Lag:
    """Change files on the ground by way of `other`, another path to the folder it is in.

    Raises OtherWayError if that is none, OSError.
    """
    there = other / ground.path.name
    if _until(there.is_dir, patience) is None:
        raise OtherWayError(
            f"{other} is no other way to {ground.within}: what was made here did not appear there "
            f"within {patience:.0f} s"
        )
    if os.path.samestat(there.stat(), os.fstat(ground.descriptor)):
        raise OtherWayError(
            f"{other} is the same mount as {ground.within}; name another one, on which the server "
            "has the folder too"
        )
    with listening(ground) as heard:
        # Looked at before, so that there is something old to believe.
        ground.sizes()
        _append(there / ground.name("by name"), 10)
        name = _until(lambda: "by name" in ground.sizes(), patience)
        _append(there / ground.name("by size"), 10)
        _append(there / ground.name("opened"), 10)
        _until(lambda: all(ground.exists(one) for one in _BOTH), patience)
        ground.sizes()
        _append(there / ground.name("by size"), 10)
        size = _until(lambda: ground.sizes().get("by size") == 20, patience)
        ground.sizes()
        _append(there / ground.name("opened"), 10)
        opened = _until(lambda: ground.fstat("opened").st_size == 20, patience)
        event = heard is not None and heard.is_set()
    return Lag(name, size, opened, event)


def _append(path: Path, amount: int) -> None:
    with path.open("ab") as file:
        file.write(b"x" * amount)


def _until(is_seen: Callable[[], bool], patience: float) -> float | None:
    """Return after how many seconds it was seen, None if it was not."""
    began = time.monotonic()
    while True:
        passed = time.monotonic() - began
        if is_seen():
            return passed
        if passed > patience:
            return None
        time.sleep(_LOOK_EVERY)
