"""What a worker process logs, logged by the daemon as its own.

Written to the worker's standard error, it would break a log of JSON lines and the display on a
terminal, and would say nothing below a warning.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
from contextlib import suppress
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from typing import Any


class WorkerLog:
    """The daemon's end: passes records on to its own loggers until the worker has ended."""

    def __init__(self) -> None:
        self._ours, self.theirs = multiprocessing.Pipe(duplex=False)
        """`theirs` goes to the worker, as an argument of its initializer."""

    def listen(self) -> None:
        """Begin to read; to be called once the worker process was started, or could not be."""
        self.theirs.close()  # so that the worker's is the last one, and its end is seen
        threading.Thread(target=self._read, name="worker's log", daemon=True).start()

    def _read(self) -> None:
        with self._ours, suppress(EOFError, OSError):
            while True:
                record = logging.makeLogRecord(self._ours.recv())
                logging.getLogger(record.name).handle(record)


class _Sender(QueueHandler):
    """Puts a record's words together, as a queue's handler does, and sends it."""

    def enqueue(self, record: logging.LogRecord) -> None:
        pipe: Any = self.queue
        pipe.send(vars(record))


def log_into(pipe: Connection, level: int) -> None:
    """Send what this process logs through `pipe`: atelierd's from `level` on, others' warnings."""
    root = logging.getLogger()
    root.handlers[:] = [_Sender(pipe)]  # type: ignore[arg-type]
    root.setLevel(logging.WARNING)
    logging.getLogger("atelierd").setLevel(level)
