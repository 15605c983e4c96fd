"""The remote control of a share that misbehaves on request; `flaky_server` is the share."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

#: What a client of a share does to it; `fsync` stands for what a close has to wait for.
READING = ("getattr", "open", "read", "readdir")
WRITING = ("create", "write", "fsync", "rename", "mkdir", "unlink", "truncate")

_ROOT = Path(__file__).parents[2]


class FlakyShare:
    """The remote control of a mounted flaky share."""

    def __init__(
        self,
        source: Path,
        mount_point: Path,
        orders: Path,
        server: str = "tests.faults.flaky_server",
    ) -> None:
        """Mount it; `server` is the module that serves it. Raises OSError if that cannot be."""
        self._orders = orders
        self._log = orders.with_suffix(".log")
        self._command = [sys.executable, "-m", server]
        self._command += [str(source), str(mount_point), str(orders)]
        self._mount_point = mount_point
        self.behave()
        self.mount()

    def mount(self) -> None:
        """Start the file system and wait until it is there."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, cwd=_ROOT, stdout=log, stderr=log)
        until = time.monotonic() + 20
        while not os.path.ismount(self._mount_point):
            if self._process.poll() is not None or time.monotonic() > until:
                self.crash()
                raise OSError(errno.ENODEV, self._log.read_text(errors="replace")[-500:])
            time.sleep(0.02)

    def behave(self) -> None:
        """Do everything as asked from now on."""
        self._order({})

    def fail(self, error: int, operations: Collection[str], after: int = 0, only: str = "") -> None:
        """Answer these operations with `error`, after so many of them that succeed.

        `only` those on paths with this word in them.
        """
        self._order({"error": error, "operations": list(operations), "after": after, "only": only})

    def dawdle(self, seconds: float, operations: Collection[str]) -> None:
        """Take so long for each of these operations."""
        self._order({"delay": seconds, "operations": list(operations)})

    def crash(self) -> None:
        """Die: every operation fails with ENOTCONN until the share is mounted again."""
        self._process.kill()
        self._process.wait()

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run(["umount", "--lazy", str(self._mount_point)], check=False)
        self.crash()

    def _order(self, orders: dict[str, Any]) -> None:
        new = self._orders.with_suffix(".new")
        new.write_text(json.dumps({"number": time.monotonic_ns(), **orders}))
        new.replace(self._orders)


def mountable() -> str | None:
    """Return why no flaky share can be had here, None if one can."""
    if os.geteuid() != 0:
        return "only root may mount"
    if not Path("/dev/fuse").exists():
        return "there is no /dev/fuse"
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        return f"FUSE cannot be used (Debian: apt-get install fuse3): {error}"
    return None


def needs_fuse() -> pytest.MarkDecorator:
    """Return the mark of tests that mount a flaky share: skipped with the reason where none can be.

    With ATELIERD_REQUIRE_FUSE=1 they run, and fail.
    """
    reason = mountable()
    required = os.environ.get("ATELIERD_REQUIRE_FUSE") == "1"
    return pytest.mark.skipif(reason is not None and not required, reason=str(reason))
