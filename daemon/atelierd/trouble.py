"""What keeps the queue waiting, left where other processes of this machine find it.

`atelierd status` has to say it even where the share cannot be written, or a disk is full. So it
stands in the state folder, in a file whose blocks were claimed when the daemon started: to write
into those takes no more space.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

#: What keeps the queue waiting.
TROUBLE = "trouble.json"
#: What keeps a changed configuration from being worked by.
CONFIG_TROUBLE = "config-trouble.json"
#: Bytes of the file: one block of most disks.
_SIZE = 4096
#: Bytes of one reason: the block has to hold a few.
_LONGEST = 300


class TroubleFile:
    """The daemon's side: says what the trouble is now. Raises nothing: this must not add to it."""

    def __init__(self, state: Path, name: str = TROUBLE) -> None:
        self._path = state / name
        self._said: tuple[str, ...] | None = None

    def say(self, trouble: Sequence[str]) -> None:
        """Write down the trouble, unless that is what stands there; nothing where all is well."""
        if tuple(trouble) == self._said:
            return
        texts = [text.encode()[:_LONGEST].decode(errors="ignore") for text in trouble]
        data = json.dumps(texts, ensure_ascii=False).encode()
        while len(data) > _SIZE:
            texts.pop()
            data = json.dumps(texts, ensure_ascii=False).encode()
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.pwrite(descriptor, data.ljust(_SIZE), 0)
            finally:
                os.close(descriptor)
            self._said = tuple(trouble)


def read_trouble(state: Path, name: str = TROUBLE) -> list[str]:
    """Return what a daemon has said last, for any process; nothing where it cannot be read."""
    try:
        texts = json.loads((state / name).read_bytes())
    except (OSError, ValueError):
        return []
    return [str(text) for text in texts] if isinstance(texts, list) else []
