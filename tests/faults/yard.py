"""A yard to break things in: a share, a state folder, a configuration, and daemons run on them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from tests.faults.process import DaemonProcess

from atelierd import failpoints
from atelierd.ledger import Ledger
from atelierd.share import init_share

#: A configuration under which a small render takes many steps.
WORK: Mapping[str, Any] = {
    "device": "cpu",
    "threads": 1,
    "segment": "100 ms",
    "attempts": 100,
    "hang_after": "60 s",
}
SHARE: Mapping[str, Any] = {
    "settle": "50 ms",
    "scan_interval": "200 ms",
    "free_space": 0,
}


@dataclass
class Yard:
    """One share with one state folder; everything that is dropped is remembered for the audit."""

    root: Path
    weights: Path
    dropped: list[tuple[str, bytes]] = field(default_factory=list)
    """Path in the inbox and content of each job file that was dropped."""
    pictures_put: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Modification time and content of each picture that was put into the inbox."""
    processes: list[DaemonProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.share = self.root / "share"
        self.runtime = self.root / "run"
        self.share.mkdir(parents=True, exist_ok=True)
        self.runtime.mkdir(exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        init_share(self.share)
        self.configure()

    @property
    def inbox(self) -> Path:
        return self.share / "inbox"

    @property
    def outbox(self) -> Path:
        return self.share / "outbox"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def config(self) -> Path:
        return self.root / "atelierd.yaml"

    def configure(
        self,
        work: Mapping[str, Any] | None = None,
        share: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> None:
        """Write the configuration: `WORK` and `SHARE`, with what is given over them, and others."""
        settings = {
            "inbox": str(self.inbox),
            "outbox": str(self.outbox),
            "state": str(self.state),
            "weights": {"folder": str(self.weights)},
            "work": {**WORK, **(work or {})},
            "share": {**SHARE, **(share or {})},
            **others,
        }
        self.config.write_text(yaml.safe_dump(settings))

    def picture(self, name: str, width: int = 48, height: int = 40, seed: int = 1) -> Path:
        """Put a picture of smooth noise into the inbox."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_picture(path, width, height, seed)
        self.pictures_put[name] = (path.stat().st_mtime_ns, path.read_bytes())
        return path

    def pictures(self) -> dict[str, tuple[int, bytes]]:
        """Return the pictures that lie in the inbox now, as `pictures_put` has them."""
        return {
            str(path.relative_to(self.inbox)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in self.inbox.rglob("*.png")
        }

    def drop(
        self, name: str, job: Mapping[str, Any] | str | bytes, inbox: Path | None = None
    ) -> Path:
        """Put a job file into the inbox as a careful writer does, and remember it.

        `inbox` is another way to the same folder.
        """
        text = job if isinstance(job, (str, bytes)) else yaml.safe_dump(dict(job), sort_keys=False)
        data = text.encode() if isinstance(text, str) else text
        path = (inbox or self.inbox) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(data)
        part.rename(path)
        self.dropped.append((name, data))
        return path

    def start(
        self,
        *,
        drain: bool = False,
        failpoint: str | None = None,
        environment: Mapping[str, str] | None = None,
        wrapped: Sequence[str] = (),
    ) -> DaemonProcess:
        """Start a daemon; `failpoint` is where it is to kill itself, `wrapped` runs it."""
        command = [*wrapped, sys.executable, "-W", "error", "-m", "atelierd", "run"]
        command += ["--config", str(self.config), *(["--drain"] if drain else [])]
        surroundings = {
            **os.environ,
            "RUNTIME_DIRECTORY": str(self.runtime),
            "OMP_NUM_THREADS": "1",
            **(environment or {}),
        }
        surroundings.pop(failpoints.VARIABLE, None)
        if failpoint is not None:
            surroundings[failpoints.VARIABLE] = failpoint
        log = self.logs / f"{len(self.processes) + 1:04d}.log"
        process = DaemonProcess(command, surroundings, log)
        self.processes.append(process)
        return process

    def drain(self, timeout: float = 120.0) -> int:
        """Run a daemon until inbox and queue are empty and return its exit code."""
        return self.start(drain=True).wait(timeout)

    def command(self, *words: str) -> str:
        """Run a command of atelierd's beside the daemon and return what it prints."""
        command = [sys.executable, "-m", "atelierd", *words, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def ledger(self) -> Ledger:
        """Open the ledger for reading; the caller closes it."""
        return Ledger.open(self.state / "ledger.sqlite", read_only=True)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            process.end()


def draw_picture(path: Path, width: int, height: int, seed: int) -> None:
    """Write a picture of smooth noise to `path`; the same arguments give the same bytes."""
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (6, 6, 3), np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    part = path.with_name(f"{path.name}.part")
    image.save(part, format="PNG")
    part.rename(path)
