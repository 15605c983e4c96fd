"""A share, a state folder, a ledger and an inbox under a clock that the test moves."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from atelierd.failpoints import VARIABLE
from atelierd.inbox.keeper import Inbox, InboxPlan, InboxReport
from atelierd.inbox.owner import Ownership
from atelierd.jobs.presets import shipped_config
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.share import init_share

SETTLE = timedelta(seconds=5)
MISSING_TIMEOUT = timedelta(minutes=30)


class World:
    """One daemon's inbox on a share of its own, and the people who drop files there."""

    def __init__(self, folder: Path) -> None:
        init_share(folder / "share")
        self.inbox = folder / "share" / "inbox"
        self.outbox = folder / "share" / "outbox"
        self.state = folder / "state"
        self.state.mkdir()
        self.runtime = folder / "run"
        self.now = 1000.0
        self.wall = datetime(2026, 11, 23, 17, 45, 12, tzinfo=UTC)
        self.arrivals: dict[str, set[Any]] = {}
        self.changes: dict[str, Any] = {}
        self._daemon: Inbox | None = None

    @property
    def daemon(self) -> Inbox:
        if self._daemon is None:
            plan = InboxPlan(
                **{
                    "inbox": self.inbox,
                    "outbox": self.outbox,
                    "state": self.state,
                    "presets": (shipped_config() / "presets",),
                    "settle": SETTLE,
                    "missing_timeout": MISSING_TIMEOUT,
                    "free_space": 0,
                    **self.changes,
                }
            )
            ownership = Ownership.take(
                self.inbox, state=self.state, runtime=self.runtime, now=self.now, wall=self.wall
            )
            self._daemon = Inbox(
                plan,
                Ledger.open(self.state / "ledger.sqlite"),
                ownership,
                folder_taken=lambda name: (self.outbox / name).exists(),
                take_arrivals=lambda: self.arrivals,
                clock=lambda: 0.0,
            )
        return self._daemon

    @property
    def ledger(self) -> Ledger:
        return self.daemon.ledger

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.ownership.release()
            self._daemon.ledger.close()
            self._daemon = None

    def turn(self, after: float = 0.0) -> InboxReport:
        """One turn of the daemon, `after` seconds from the last."""
        self.now += after
        return self.daemon.turn(self.now, self.wall)

    def settled(self) -> InboxReport:
        """A turn that sees what is there for the first time, and one when it has settled."""
        self.turn()
        return self.turn(SETTLE.total_seconds())

    def die_at(self, failpoint: str) -> None:
        """Let a daemon run in a process of its own until it is killed at `failpoint`."""
        self.stop()
        pid = os.fork()
        if pid == 0:
            os.environ[VARIABLE] = failpoint
            try:
                self.settled()
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), f"{failpoint} was not reached"
        assert os.WTERMSIG(status) == signal.SIGKILL

    def put(self, path: str, data: bytes | str = b"") -> Path:
        file = self.inbox / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return file

    def picture(self, path: str, color: str = "red") -> Path:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), color).save(buffer, "PNG")
        return self.put(path, buffer.getvalue())

    def job(self, path: str = "skyline.yaml", more: str = "") -> Path:
        return self.put(path, f"content: photo.png\nstyle: art/starry.png\n{more}")

    def pictures(self) -> None:
        self.picture("photo.png")
        self.picture("art/starry.png", "blue")

    def jobs(self) -> list[JobRow]:
        """All jobs of the ledger, in the order of acceptance."""
        return self.ledger.jobs()[::-1]

    def files(self) -> set[str]:
        """What lies in the inbox, without the daemon's own files."""
        found = (path.relative_to(self.inbox) for path in self.inbox.glob("**/*"))
        return {str(path) for path in found if not path.name.startswith(".atelierd-")}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()
