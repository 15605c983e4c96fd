"""An SSH server of our own, on a port of the loopback, and folders mounted from it."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.shares.network import free_port, wait_for_port
from tests.shares.programs import program

_CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host
AuthorizedKeysFile {home}/key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
Subsystem sftp internal-sftp
"""
#: The server gives up its rights for this empty folder; Debian makes it when its service starts.
_EMPTY = Path("/run/sshd")


class SshServer:
    """Lets whoever has the throw-away key in."""

    def __init__(self, home: Path) -> None:
        """`home` is for the server's own files."""
        home.mkdir(parents=True)
        self.home = home
        _EMPTY.mkdir(mode=0o755, exist_ok=True)
        for name in ("host", "key"):
            command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f"]
            subprocess.run([*command, str(home / name)], check=True, capture_output=True)
        self.port = free_port()
        configuration = home / "sshd.conf"
        configuration.write_text(_CONFIGURATION.format(port=self.port, home=home))
        with (home / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [program("sshd"), "-D", "-e", "-f", str(configuration)],
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

    def end(self) -> None:
        """Stop the server; connections that there are lose their other end with their mounts."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class SshMount:
    """A folder of the server's, mounted elsewhere through SFTP."""

    def __init__(
        self, server: SshServer, folder: Path, point: Path, *options: str, port: int | None = None
    ) -> None:
        """`options` are sshfs' own, `port` is where a line to the server begins."""
        point.mkdir(exist_ok=True)
        self.point = point
        log = server.home / f"{point.name}.known"
        self._command = [program("sshfs"), f"{getpass.getuser()}@127.0.0.1:{folder}", str(point)]
        self._command += ["-f", "-p", str(port or server.port)]
        given = (f"IdentityFile={server.home}/key", "IdentitiesOnly=yes", *options)
        given += ("StrictHostKeyChecking=no", f"UserKnownHostsFile={log}", "LogLevel=ERROR")
        for option in given:
            self._command += ["-o", option]
        self._log = server.home / f"{point.name}.log"
        self.mount()

    def mount(self) -> None:
        """Mount it and wait until it is there."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until_mounted(self.point, self._process, self._log)

    def unmount(self) -> None:
        """Take it away at once, even from under those who use it (`fusermount -u -z`)."""
        self._fusermount()
        self._process.wait(60)

    def kill(self) -> None:
        """Kill sshfs: the mount stays and answers `not connected` until it is unmounted."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """Leave nothing behind, whatever has happened."""
        self._fusermount()
        self.kill()
        self._fusermount()

    def _fusermount(self) -> None:
        command = ["fusermount3", "-u", "-z", str(self.point)]
        subprocess.run(command, check=False, capture_output=True)


def wait_until_mounted(point: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something is mounted at `point` by `process`. Raises OSError if nothing is."""
    until = time.monotonic() + 60
    while not os.path.ismount(point):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            process.wait()
            raise OSError(f"{point}: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.05)
