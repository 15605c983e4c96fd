"""What can be seen on the share, looked at where it costs nothing: on the server's own disk."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.process import DaemonProcess


def size(path: Path) -> int:
    """Return a file's bytes, 0 if it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def waiting(outbox: Path) -> str:
    """Return what the daemon tells people of files that wait, as one text."""
    try:
        status = json.loads((outbox / "status.json").read_bytes())
    except FileNotFoundError:
        return ""
    return json.dumps(status["waiting"], ensure_ascii=False)


def finished(outbox: Path) -> int:
    """Return how many jobs are done."""
    statuses = [json.loads(path.read_bytes()) for path in outbox.glob("*/status.json")]
    return sum(status["state"] == "done" for status in statuses)


def wait_until_seen(outbox: Path, daemon: DaemonProcess, words: str) -> None:
    """Wait until the daemon tells of a file that waits with these words."""
    daemon.wait_until(lambda: words in waiting(outbox), f"{words!r} among what waits", 120)


def wait_until_done(outbox: Path, daemon: DaemonProcess, count: int) -> None:
    """Wait until so many jobs are done."""
    daemon.wait_until(lambda: finished(outbox) >= count, f"{count} jobs", timeout=180)
