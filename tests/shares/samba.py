"""A Samba server of our own, on a port of the loopback, and its client."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from tests.shares.network import free_port, wait_for_port
from tests.shares.programs import program

_CONFIGURATION = """\
[global]
server role = standalone server
interfaces = lo
bind interfaces only = yes
smb ports = {port}
disable netbios = yes
private dir = {home}/private
lock directory = {home}/lock
state directory = {home}/state
cache directory = {home}/cache
pid directory = {home}/pid
ncalrpc dir = {home}/ncalrpc
log file = {home}/log
map to guest = Bad User
guest account = root
load printers = no
disable spoolss = yes
[atelier]
guest ok = yes
force user = root
{options}
path = {folder}
[global]
smb2 max write = 65536
"""


def recommended() -> str:
    """Return the lines that docs/shares.md recommends for the share's section."""
    page = Path(__file__).parents[2] / "docs" / "shares.md"
    (block,) = re.findall(r"```ini\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return textwrap.dedent(block.split("[atelier]")[1])


class SambaServer:
    """A folder as the share `atelier` of a Samba server.

    It takes what clients write in small pieces: of the 8 MB that it would take by itself, none is
    seen before all have come.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        """`home` is for the server's own files; the share is as the documentation has it."""
        for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
            (home / name).mkdir(parents=True)
        self.port = free_port()
        self.configuration = home / "smb.conf"
        self.configuration.write_text(
            _CONFIGURATION.format(port=self.port, home=home, folder=folder, options=recommended())
        )
        command = [program("smbd"), "--foreground", "--no-process-group", "-s"]
        command += [str(self.configuration), f"--log-basename={home}"]
        with (home / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            wait_for_port(self.port)
        except OSError:
            self.end()
            raise

    def command(self, *orders: str, port: int | None = None) -> list[str]:
        """Return the command line of a client that carries out `orders`."""
        command = [program("smbclient"), "//127.0.0.1/atelier", "-N", "-s", str(self.configuration)]
        return [*command, "-p", str(port or self.port), "-c", "; ".join(orders)]

    def client(self, *orders: str) -> str:
        """Carry out orders as somebody on another machine does, and return what is said."""
        said = self.attempt(*orders)
        assert "NT_STATUS_" not in said, f"{orders}: {said}"
        return said

    def attempt(self, *orders: str) -> str:
        """Carry out orders, some of which may be refused, and return what is said."""
        done = subprocess.run(
            self.command(*orders),
            capture_output=True,
            check=False,
            timeout=120,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        return (done.stdout + done.stderr).decode(errors="replace")

    def upload(self, orders: str, port: int | None = None) -> Upload:
        """Begin a transfer that can be watched and killed."""
        return Upload(self.command(orders, port=port))

    def end(self) -> None:
        """Stop the server with all processes that serve a client."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Upload:
    """A client in the midst of a transfer."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def wait_until(self, met: Callable[[], bool], patience: float = 60.0) -> None:
        """Wait until something has come of it."""
        until = time.monotonic() + patience
        while not met():
            assert self._process.poll() is None, "the transfer is over already"
            assert time.monotonic() < until, "the transfer does not come so far"
            time.sleep(0.02)

    def is_under_way(self) -> bool:
        return self._process.poll() is None

    def finish(self, patience: float = 120.0) -> None:
        """Let it come to its end, which must be a good one."""
        said, _ = self._process.communicate(timeout=patience)
        assert self._process.returncode == 0, said

    def kill(self) -> None:
        """End the client in the midst of it, as somebody does who closes a laptop."""
        self._process.kill()
        self._process.communicate()
