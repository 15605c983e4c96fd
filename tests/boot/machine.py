"""A Debian that runs: booted in a container, asked through its namespaces."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

T = TypeVar("T")

#: Seconds that anything may take; the machine may be busy with other things.
PATIENCE = 180.0
_LOOK_EVERY = 0.2
_UP = ("running", "degraded")


class Machine:
    """Its root folder seen from outside, and commands run inside."""

    def __init__(self, root: Path, console: Path) -> None:
        """Boot it; what it says on its console goes to the file `console`."""
        self.root = root
        self._console: IO[bytes] = console.open("wb")
        self._nspawn = subprocess.Popen(
            [
                *("systemd-nspawn", "--quiet", f"--directory={root}", "--boot"),
                *("--register=no", "--keep-unit", "--private-network", "--link-journal=no"),
                *("--machine=atelierd-boot", "--console=pipe"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=subprocess.STDOUT,
        )
        try:
            self._leader = self.wait_for(self._find_leader, "the container's first process")
            self.wait_for(
                lambda: self.run("systemctl", "is-system-running", code=None).strip() in _UP,
                "the end of the boot",
            )
        except BaseException:
            self.end()
            raise

    def run(self, *command: str, code: int | None = 0) -> str:
        """Run a command inside, expect its exit code unless it is None, return what it printed."""
        done = subprocess.run(
            [
                *("nsenter", f"--target={self._leader}"),
                *("--mount", "--uts", "--ipc", "--net", "--pid", "--"),
                *("/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"),
                *command,
            ],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, *properties: str) -> tuple[str, ...]:
        """Return properties of a unit."""
        said = self.run("systemctl", "show", unit, *(f"--property={one}" for one in properties))
        values = dict(line.split("=", 1) for line in said.splitlines())
        return tuple(values[one] for one in properties)

    def journal(self, unit: str) -> list[dict[str, Any]]:
        """Return the journal's entries that a unit's processes or its manager wrote."""
        # What was written before this is in it.
        self.run("journalctl", "--sync", code=None)
        said = self.run("journalctl", "--output=json", "--no-pager", f"--unit={unit}")
        return [json.loads(line) for line in said.splitlines()]

    def messages(self, unit: str) -> str:
        """Return what the journal says about a unit, one message a line."""
        return "\n".join(str(entry.get("MESSAGE", "")) for entry in self.journal(unit))

    def wait_for(self, found: Callable[[], T | None], what: str) -> T:
        """Look until something is found, and return it."""
        end = time.monotonic() + PATIENCE
        while True:
            assert self._nspawn.poll() is None, "the container has ended; see its console"
            result = found()
            if result:
                return result
            assert time.monotonic() < end, f"{what} did not come within {PATIENCE:.0f} s"
            time.sleep(_LOOK_EVERY)

    def path(self, inside: str) -> Path:
        """Return a path inside as it is seen from outside."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str) -> None:
        """Write a file inside, making its folder."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def end(self) -> None:
        """Have it power off; if that takes too long, switch it off."""
        # What nspawn takes as "power off".
        self._nspawn.terminate()
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        self._console.close()

    def _find_leader(self) -> int | None:
        """Return the process outside that is process 1 inside."""
        pid = self._nspawn.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for child in children:
                status = Path(f"/proc/{child}/status").read_text()
                (line,) = [one for one in status.splitlines() if one.startswith("NSpid:")]
                if line.split()[1:][1:] == ["1"]:
                    return int(child)
        except OSError:
            return None
        return None


def copy_of(image: Path, folder: Path) -> tuple[Path, Callable[[], None]]:
    """Return a root that may be changed and costs little, and what takes it away again."""
    upper, work, root = (folder / name for name in ("upper", "work", "root"))
    for each in (upper, work, root):
        each.mkdir(parents=True)
    options = f"lowerdir={image},upperdir={upper},workdir={work}"
    done = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, str(root)],
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        return root, lambda: _unmount(root)
    # On a file system that overlayfs does not take.
    root.rmdir()
    subprocess.run(["cp", "-a", "--reflink=auto", str(image), str(root)], check=True)
    return root, lambda: shutil.rmtree(root)


def _unmount(root: Path) -> None:
    subprocess.run(["umount", str(root)], check=True)
