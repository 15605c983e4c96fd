"""A share, and the real daemon on it as a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from PIL import Image

from atelierd.outbox import layout

T = TypeVar("T")

#: Seconds that anything may take; the machine may be busy with other things.
PATIENCE = 120.0
#: Seconds between two looks.
_LOOK_EVERY = 0.05

FINISHED = ("done", "failed", "cancelled")


def atelierd(*arguments: str) -> list[str]:
    """Return the command line of a command."""
    return [sys.executable, "-m", "atelierd", *arguments]


class Share:
    """An inbox, an outbox, and a configuration that names them."""

    def __init__(self, folder: Path, weights: Path, **settings: Any) -> None:
        """Make it below `folder` with `atelierd init`; `settings` go into the configuration."""
        self.folder = folder
        self.inbox, self.outbox = folder / "share" / "inbox", folder / "share" / "outbox"
        self.config = folder / "atelierd.yaml"
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "COLUMNS": "120",
        }
        self.command("init", "share", "--state", "state")
        own = {
            "share": {"settle": "300 ms", "scan_interval": "500 ms"},
            "work": {"device": "cpu", "segment": "500 ms"},
            "weights": {"folder": str(weights)},
            **settings,
        }
        with self.config.open("a") as file:
            yaml.safe_dump(own, file)

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run a command in the folder, expect its exit code, and return what it printed."""
        done = subprocess.run(
            atelierd(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def run(self, *arguments: str) -> Daemon:
        """Start the daemon."""
        return Daemon(self, arguments)

    def drop(self, name: str, text: str | bytes) -> bytes:
        """Put a job file into the inbox and return its bytes."""
        data = text.encode() if isinstance(text, str) else text
        (self.inbox / name).write_bytes(data)
        return data

    def job(self, folder: str) -> dict[str, Any]:
        """Return a job's own `status.json`; empty while there is none."""
        return self._json(self.outbox / folder / layout.STATUS)

    def overview(self) -> dict[str, Any]:
        """Return the outbox's `status.json`; empty while there is none."""
        return self._json(self.outbox / layout.STATUS)

    def finished(self, *folders: str) -> bool:
        """Whether these jobs are all shown as finished."""
        return all(self.job(folder).get("state") in FINISHED for folder in folders)

    def error(self, folder: str) -> str:
        """Return why a job failed."""
        return (self.outbox / folder / layout.ERROR).read_text()

    def pictures_of(self, folder: str) -> dict[str, Image.Image]:
        """Return a finished job's pictures by name, each as `result.json` says it is."""
        result = self._json(self.outbox / folder / layout.RESULT)
        pictures: dict[str, Image.Image] = {}
        for render in result["renders"]:
            for file in render["files"]:
                data = (self.outbox / folder / file["name"]).read_bytes()
                assert len(data) == file["size"]
                assert hashlib.sha256(data).hexdigest() == file["sha256"]
                with Image.open(self.outbox / folder / file["name"]) as picture:
                    picture.load()
                    pictures[file["name"]] = picture
        return pictures

    def receipts(self, folder: str) -> list[Mapping[str, Any]]:
        """Return how a finished job's renders were made."""
        return [
            one["receipt"] for one in self._json(self.outbox / folder / layout.RESULT)["renders"]
        ]

    @staticmethod
    def _json(path: Path) -> dict[str, Any]:
        if not path.exists():
            return {}
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found


class Daemon:
    """One run of `atelierd run`, or of another command that lasts, its log in JSON lines."""

    def __init__(
        self,
        share: Share,
        arguments: Sequence[str],
        command: Sequence[str] = ("run", "--log", "json"),
    ) -> None:
        self.log_file = share.folder / f"log-{time.monotonic_ns()}"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                atelierd(*command, "--config", str(share.config), *arguments),
                cwd=share.folder,
                env=share.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def messages(self) -> list[str]:
        """What it has logged so far; a line that is no JSON is taken as it is."""
        return [_message(line) for line in self.log_file.read_text().splitlines(keepends=True)]

    def logged(self, words: str) -> int:
        """Return how many messages have `words` in them."""
        return sum(words in message for message in self.messages)

    def wait_for(self, what: Callable[[], T], seconds: float = PATIENCE) -> T:
        """Return what `what` returns once that is true."""
        until = time.monotonic() + seconds
        while True:
            # Asked before the look: what it did last, the look has seen.
            ended = self._process.poll()
            found = what()
            if found:
                return found
            log = "\n".join(self.messages)
            assert ended is None, f"it ended with {ended}:\n{log}"
            assert time.monotonic() < until, f"not within {seconds} s:\n{log}"
            time.sleep(_LOOK_EVERY)

    def send(self, number: int) -> None:
        """Signal it."""
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return its exit code."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Return its exit code when it has ended."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError("\n".join(self.messages)) from None

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _message(line: str) -> str:
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError, TypeError):
        return line.rstrip("\n")
