"""Log lines: for people, for programs, for the journal, and above the display on a terminal."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from atelierd.cli.journal import JournalHandler, is_our_stderr
from atelierd.cli.terminal import say
from atelierd.logfacts import facts_of
from atelierd.wording import shown

#: Characters of a message that a log line shows.
LONGEST_MESSAGE = 20_000

_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "bold red"}


def log_to(handler: logging.Handler, level: int = logging.INFO) -> None:
    """Send atelierd's log to `handler`, from `level` on, and what others warn of."""
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("atelierd").setLevel(level)


def chosen_form(form: str) -> str:
    """Return what `auto` stands for: `journald` where that is standard error, else `text`."""
    if form != "auto":
        return form
    return "journald" if is_our_stderr() else "text"


def handler_of(form: str) -> logging.Handler:
    """Return a handler for `text`, `json`, `journald`, or whichever `auto` stands for."""
    form = chosen_form(form)
    if form == "journald":
        return JournalHandler(otherwise=handler_of("text"))
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    return handler


class TextLines(logging.Formatter):
    """One line a record: local time with its zone, level, message; a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        time = datetime.fromtimestamp(record.created).astimezone()
        line = f"{time.isoformat(timespec='seconds')} {record.levelname:7} {_message(record)}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


class JsonLines(logging.Formatter):
    """One JSON object a line: time in UTC, level, logger, message, what it is about if anything.

    A traceback is a key, too.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **facts_of(record),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        # In ASCII, so that whatever a job is called, the log is read back as it was.
        return json.dumps(fields)


class ConsoleHandler(logging.Handler):
    """Writes lines above whatever display the console shows."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line."""
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        line = Text.assemble(
            (time, "dim"), "  ", (_message(record), _STYLES.get(record.levelno, ""))
        )
        say(self._console, line)
        if record.exc_info:
            say(self._console, logging.Formatter().formatException(record.exc_info), "dim")


def _message(record: logging.LogRecord) -> str:
    # What a job is called is escaped where it is logged; this holds for what others log, too.
    return shown(record.getMessage(), LONGEST_MESSAGE)
