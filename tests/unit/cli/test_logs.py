from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from rich.console import Console

from atelierd.cli.logs import ConsoleHandler, JsonLines, TextLines


def record(message: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("atelierd.inbox", level, "x.py", 1, message, arguments, None)


FORGED = "accepted %s", "a\n2026-11-23 INFO all is well\x1b[2J"


def test_a_text_line_stays_one_line_whatever_a_job_is_called() -> None:
    line = TextLines().format(record(*FORGED))
    assert "\n" not in line
    assert "\x1b" not in line
    assert "accepted a\\n2026" in line


def test_a_text_line_begins_with_a_time_that_has_its_zone() -> None:
    time, level, message = TextLines().format(record("going on", level=logging.ERROR)).split(" ", 2)
    assert time[10] == "T"
    assert time[-6] in "+-"
    assert (level, message.strip()) == ("ERROR", "going on")


def test_a_json_line_says_it_all_and_can_be_read_back() -> None:
    line = JsonLines().format(record("%s is done", "größe"))
    assert line.isascii()
    fields = json.loads(line)
    assert fields["message"] == "größe is done"
    assert fields["level"] == "info"
    assert fields["logger"] == "atelierd.inbox"
    assert fields["time"].endswith("+00:00")
    assert "\n" not in JsonLines().format(record(*FORGED))


def test_a_traceback_is_kept() -> None:
    broken = record("failed")
    try:
        raise KeyError("here")
    except KeyError:
        broken.exc_info = sys.exc_info()
    assert "KeyError: 'here'" in TextLines().format(broken)
    assert "KeyError: 'here'" in json.loads(JsonLines().format(broken))["traceback"]


@pytest.mark.parametrize("text", ["[bold]job[/bold]", "a\x1b[31mb", ":smile: https://example.org"])
def test_nothing_in_a_message_steers_the_terminal(text: str) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=100)
    ConsoleHandler(console).emit(record("begins with %s", text))
    assert "\x1b" not in stream.getvalue()
    shown = text.replace("\x1b", "\\x1b")
    assert stream.getvalue().rstrip().endswith(f"begins with {shown}")
