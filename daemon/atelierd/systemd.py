"""Telling a service manager how it goes: the protocol of sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from datetime import timedelta

#: Characters of a status; systemctl shows one line.
_LONGEST = 500


def is_asked() -> bool:
    """Whether there is a service manager that wants to know."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def watchdog_period() -> timedelta | None:
    """Return how often the service manager wants to hear that this process lives; None if never."""
    period, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not period.isdecimal() or int(period) == 0:
        return None
    if process and process != str(os.getpid()):
        return None
    return timedelta(microseconds=int(period))


def notify(
    *,
    status: str | None = None,
    ready: bool = False,
    reloading: bool = False,
    stopping: bool = False,
    alive: bool = False,
    more_time: timedelta | None = None,
) -> None:
    """Tell the service manager, if there is one that wants to know. Raises nothing.

    `reloading` is to be followed by `ready`; `alive` is for its watchdog; `more_time`, from now, is
    asked for the start or stop under way.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    lines = ["READY=1"] if ready else []
    if reloading:
        lines += ["RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"]
    lines += ["STOPPING=1"] if stopping else []
    lines += ["WATCHDOG=1"] if alive else []
    if more_time is not None:
        lines.append(f"EXTEND_TIMEOUT_USEC={more_time // timedelta(microseconds=1)}")
    if status is not None:
        lines.append(f"STATUS={status.splitlines()[0][:_LONGEST] if status else ''}")
    # A name that begins with @ stands for one in the kernel's own name space.
    target = f"\0{address[1:]}" if address.startswith("@") else address
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
    ):
        sender.sendto("\n".join(lines).encode(), target)
