"""Places where a test can have this process killed, as by a power cut.

`ATELIERD_FAILPOINT=accept.claimed` kills the process with SIGKILL where it first passes the
failpoint of that name, `accept.claimed:3` where it passes it for the third time. Without the
variable a failpoint does nothing.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "ATELIERD_FAILPOINT"

_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Die here if the environment says so; `name` is `<what is done>.<step just done>`."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    place, _, number = wanted.partition(":")
    if place != name:
        return
    _passed[name] += 1
    if _passed[name] == int(number or 1):
        die()


def die() -> None:
    """End this process at once: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)
