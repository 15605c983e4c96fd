"""What a daemon says while it runs: to its service manager, and in its log."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from pathlib import Path


class Manager:
    """Plays the service manager: counts what a daemon notifies."""

    def __init__(self, path: Path) -> None:
        """Listen at `path`; a daemon finds it there by NOTIFY_SOCKET."""
        self.heard: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._listen, name="manager", daemon=True).start()

    def _listen(self) -> None:
        while True:
            for line in self._socket.recv(65536).decode().splitlines():
                self.heard[line.partition("=")[0]] += 1


class LogReader:
    """Reads what a log has grown by, and counts phrases in all of it."""

    def __init__(self, path: Path, phrases: tuple[str, ...]) -> None:
        self._path = path
        self._phrases = phrases
        self._offset = 0
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        """Lines that no daemon may ever log."""

    def read(self) -> None:
        """Read whole lines that have come since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole, newline, _ = data.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.decode(errors="replace").splitlines():
            for phrase in self._phrases:
                self.counts[phrase] += phrase in line
            if "Traceback" in line or "this is a bug" in line:
                self.errors.append(line)
