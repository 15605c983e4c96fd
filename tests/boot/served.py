"""atelierd on a machine: installed, configured, given jobs, and asked how it goes."""

from __future__ import annotations

import contextlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from PIL import Image
from tests.boot.image import VENV
from tests.boot.machine import Machine

ATELIERD = f"{VENV}/bin/atelierd"
DAEMON, DRAIN, TIMER = "atelierd.service", "atelierd-drain.service", "atelierd-drain.timer"
CONFIG = "/etc/atelierd/atelierd.yaml"
SHARE = "/srv/atelier"
#: The tests' own changes; it comes after what is installed.
_OWN = "90-test.conf"

_STATUS = re.compile(r"(?P<job>\S+): .*, iteration (?P<iteration>\d+) of (?P<iterations>\d+)")


@dataclass(frozen=True)
class Doing:
    """What STATUS says of a render."""

    job: str
    iteration: int
    iterations: int


class Served:
    """The service of one machine."""

    def __init__(self, machine: Machine) -> None:
        """Install it, as an administrator would."""
        self.machine = machine
        machine.run(ATELIERD, "init", SHARE, "--config", CONFIG)
        self._settings = {
            "share": {"settle": "300 ms", "scan_interval": "500 ms"},
            "work": {"device": "cpu", "segment": "300 ms"},
        }
        config = machine.path(CONFIG)
        self.configuration = config.read_text() + yaml.safe_dump(self._settings)
        config.write_text(self.configuration)
        machine.run(ATELIERD, "systemd", "install")
        machine.run("chown", "-R", "atelierd:atelierd", SHARE)
        machine.run("cp", "-r", "/weights", "/var/lib/atelierd/weights")
        machine.run("chown", "-R", "atelierd:atelierd", "/var/lib/atelierd/weights")
        self.inbox = machine.path(f"{SHARE}/inbox")
        self.outbox = machine.path(f"{SHARE}/outbox")
        for name, color in (("photo.png", "#3060a0"), ("style.png", "#c06020")):
            (self.inbox / name).write_bytes(_picture(color))

    def reset(self) -> None:
        """Stop everything, cancel what is left, and forget what a test has changed."""
        self.machine.run("systemctl", "stop", TIMER, DRAIN, DAEMON, code=None)
        self.machine.run("systemctl", "reset-failed", code=None)
        self.machine.path(CONFIG).write_text(self.configuration)
        for unit in (TIMER, DRAIN, DAEMON):
            own = self.machine.path(f"/etc/systemd/system/{unit}.d/{_OWN}")
            if own.exists():
                own.unlink()
                with contextlib.suppress(OSError):
                    own.parent.rmdir()
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("journalctl", "--rotate", "--vacuum-time=1s", code=None)

    def drop_in(self, unit: str, text: str) -> None:
        """Change a unit for this test."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/{_OWN}", text)
        self.machine.run("systemctl", "daemon-reload")

    def start(self) -> None:
        """Start the daemon and wait until it is ready."""
        self.machine.run("systemctl", "start", DAEMON)

    def stop(self) -> None:
        """Stop it and wait for its end."""
        self.machine.run("systemctl", "stop", DAEMON)

    def active(self, unit: str = DAEMON) -> str:
        """Return the unit's state."""
        return self.machine.show(unit, "ActiveState")[0]

    def status(self) -> str:
        """Return what the daemon says that it does."""
        return self.machine.show(DAEMON, "StatusText")[0]

    def main_pid(self) -> int:
        """Return the daemon's process as the machine counts them; 0 if there is none."""
        return int(self.machine.show(DAEMON, "MainPID")[0])

    def kill(self, signal: str) -> None:
        """Send a signal to the daemon itself."""
        # The shell's own: a small Debian has no other.
        self.machine.run("sh", "-c", f"kill -{signal} {self.main_pid()}")

    def doing(self, job: str, *, beyond: int = 0) -> Doing:
        """Wait until STATUS says that a job is further than an iteration, and return it."""

        def found() -> Doing | None:
            match = _STATUS.fullmatch(self.status())
            if match is None or match["job"] != job or int(match["iteration"]) <= beyond:
                return None
            return Doing(job, int(match["iteration"]), int(match["iterations"]))

        return self.machine.wait_for(found, f"iteration {beyond + 1} of {job} in STATUS")

    def drop(self, job: str, *, size: int = 48, iterations: int) -> None:
        """Put a job file into the inbox."""
        (self.inbox / f"{job}.yaml").write_text(self.job(size=size, iterations=iterations))

    @staticmethod
    def job(*, size: int = 48, iterations: int) -> str:
        """Return the text of a job file."""
        keys = {"content": "photo.png", "style": "style.png", "size": size}
        more = {"iterations": iterations, "scales": 1, "snapshots": 1, "precision": "fp32"}
        return json.dumps(keys | more)

    def cancel(self, job: str) -> None:
        """Cancel a job, as people do, and wait until that is done."""
        folder = self.outbox / job
        (folder / "cancel").touch()

        def is_done() -> bool:
            return bool(json.loads((folder / "status.json").read_text())["state"] == "cancelled")

        self.machine.wait_for(is_done, f"the end of {job}")

    def result(self, job: str) -> Path:
        """Wait for a job's result, and return the picture."""
        folder = self.outbox / job
        self.machine.wait_for(lambda: (folder / "result.json").is_file(), f"the result of {job}")
        return folder / "photo-style.png"


def _picture(color: str) -> bytes:
    buffer = io.BytesIO()
    picture = Image.new("RGB", (64, 48), color)
    picture.paste("#f0e0c0", (16, 12, 40, 36))
    picture.save(buffer, "PNG")
    return buffer.getvalue()
