"""Log records as entries of systemd's journal, with fields: its native protocol.

See https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. Where the journal does not take an entry, it goes
to standard error, so that nothing is lost.
"""

from __future__ import annotations

import array
import fcntl
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from atelierd.logfacts import facts_of

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "atelierd"
_PREFIX = "ATELIERD_"
#: Bytes that may be under way to the journal, if the system lets us; as libsystemd has it.
_BUFFER = 8 << 20
#: Levels of syslog(3), from the most urgent one.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7


def is_our_stderr(stream: str | None = None) -> bool:
    """Whether standard error leads to the journal already, as systemd says in JOURNAL_STREAM."""
    told = os.environ.get("JOURNAL_STREAM", "") if stream is None else stream
    try:
        device, inode = (int(number) for number in told.split(":"))
        status = os.fstat(2)
    except (ValueError, OSError):
        return False
    return (status.st_dev, status.st_ino) == (device, inode)


def entry(fields: Mapping[str, str]) -> bytes:
    """Return fields as the protocol has them; a value may have any characters."""
    parts = []
    for name, value in fields.items():
        data = value.encode(errors="backslashreplace")
        if b"\n" in data:
            parts += [name.encode(), b"\n", len(data).to_bytes(8, "little"), data, b"\n"]
        else:
            parts += [name.encode(), b"=", data, b"\n"]
    return b"".join(parts)


class JournalHandler(logging.Handler):
    """Sends each record to the journal; what it is about has fields such as ATELIERD_JOB."""

    def __init__(self, path: Path = SOCKET, otherwise: logging.Handler | None = None) -> None:
        """`otherwise` takes the records that the journal does not."""
        super().__init__()
        self._path = path
        self._otherwise = otherwise or logging.StreamHandler()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        try:
            data = entry(dict(self._fields(record)))
            try:
                self._socket.sendto(data, str(self._path))
            except OSError:
                self._send_file(data)
        except OSError:
            self._otherwise.handle(record)
        except Exception:  # noqa: BLE001 - logging's own way with what must not happen
            self.handleError(record)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()

    def _send_file(self, data: bytes) -> None:
        """Send an entry that is too long for a datagram in a sealed file. Raises OSError."""
        descriptor = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(data)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals | fcntl.F_SEAL_SEAL)
            # Not socket.send_fds: Python 3.11's leaves the address out.
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
            self._socket.sendmsg([b""], [rights], 0, str(self._path))
        finally:
            os.close(descriptor)

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, str]]:
        message = record.getMessage()
        if record.exc_info:
            message += f"\n{logging.Formatter().formatException(record.exc_info)}"
        yield "MESSAGE", message
        yield "PRIORITY", str(_priority(record.levelno))
        yield "SYSLOG_IDENTIFIER", IDENTIFIER
        yield "CODE_FILE", record.pathname
        yield "CODE_LINE", str(record.lineno)
        yield "CODE_FUNC", record.funcName or ""
        yield f"{_PREFIX}LOGGER", record.name
        if record.process is not None and record.process != os.getpid():
            yield "OBJECT_PID", str(record.process)
        for name, fact in facts_of(record).items():
            yield f"{_PREFIX}{name.upper()}", str(fact)


def _priority(level: int) -> int:
    return next((number for least, number in _PRIORITIES if level >= least), _DEBUG)
