"""Entries for systemd's journal, received by a socket that stands in for it."""

from __future__ import annotations

import io
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from atelierd.cli.journal import JournalHandler, entry, is_our_stderr
from atelierd.cli.logs import JsonLines, chosen_form
from atelierd.logfacts import about, facts_of

#: Seconds that anything may take.
PATIENCE = 60.0


class Journal:
    """The journal's end of the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE)
        self.files = 0

    def close(self) -> None:
        self._socket.close()

    def entry(self) -> dict[str, str]:
        """Return the next entry; an entry in a file counts in `files`."""
        data, descriptors, _, _ = socket.recv_fds(self._socket, 1 << 24, 1)
        for descriptor in descriptors:
            self.files += 1
            with os.fdopen(descriptor, "rb") as file:
                file.seek(0)
                data = file.read()
        return parsed(data)


def parsed(data: bytes) -> dict[str, str]:
    """Read an entry as the protocol's description says."""
    fields = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if equals:
            data = rest
        else:
            length = int.from_bytes(rest[:8], "little")
            value, data = rest[8 : 8 + length], rest[8 + length + 1 :]
            assert rest[8 + length : 8 + length + 1] == b"\n"
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    one = Journal(tmp_path / "socket")
    yield one
    one.close()


@pytest.fixture
def logger(journal: Journal) -> Iterator[logging.Logger]:
    """A logger that leads to the journal alone."""
    handler = JournalHandler(journal.path)
    one = logging.getLogger("atelierd.test.journal")
    one.addHandler(handler)
    one.propagate = False
    one.setLevel(logging.DEBUG)
    yield one
    one.removeHandler(handler)
    handler.close()


def test_an_entry_has_the_message_where_it_came_from_and_what_it_is_about(
    journal: Journal, logger: logging.Logger
) -> None:
    facts = about(job="skyline", render="größe", iteration=40, outcome="finished", seconds=None)
    logger.warning("%s of %s is done", "größe", "skyline", extra=facts)
    fields = journal.entry()
    line = fields.pop("CODE_LINE")
    assert int(line) > 0
    assert fields == {
        "MESSAGE": "größe of skyline is done",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "atelierd",
        "CODE_FILE": __file__,
        "CODE_FUNC": "test_an_entry_has_the_message_where_it_came_from_and_what_it_is_about",
        "ATELIERD_LOGGER": "atelierd.test.journal",
        "ATELIERD_JOB": "skyline",
        "ATELIERD_RENDER": "größe",
        "ATELIERD_ITERATION": "40",
        "ATELIERD_OUTCOME": "finished",
    }


def test_a_message_of_several_lines_forges_no_field(
    journal: Journal, logger: logging.Logger
) -> None:
    logger.info("accepted %s", "a\nPRIORITY=0\nMESSAGE=all is well", extra=about(job="x\nA=b"))
    fields = journal.entry()
    assert fields["MESSAGE"] == "accepted a\nPRIORITY=0\nMESSAGE=all is well"
    assert fields["PRIORITY"] == "6"
    assert fields["ATELIERD_JOB"] == "x\nA=b"


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (50, 2)],
)
def test_levels_are_those_of_syslog(
    journal: Journal, logger: logging.Logger, level: int, priority: int
) -> None:
    logger.log(level, "x")
    assert journal.entry()["PRIORITY"] == str(priority)


def test_a_traceback_comes_with_its_message(journal: Journal, logger: logging.Logger) -> None:
    try:
        raise KeyError("here")
    except KeyError:
        logger.exception("failed")
    message = journal.entry()["MESSAGE"]
    assert message.startswith("failed\nTraceback") and "KeyError: 'here'" in message


def test_what_is_too_long_for_a_datagram_comes_in_a_file(
    journal: Journal, logger: logging.Logger
) -> None:
    text = "long " * 1_000_000
    logger.info("%s", text)
    assert journal.entry()["MESSAGE"] == text
    assert journal.files == 1


def test_without_a_journal_nothing_is_lost(tmp_path: Path) -> None:
    stream = io.StringIO()
    handler = JournalHandler(tmp_path / "none", logging.StreamHandler(stream))
    handler.handle(logging.LogRecord("atelierd", 20, "x.py", 1, "going on", (), None))
    handler.close()
    assert stream.getvalue() == "going on\n"


def test_a_journal_that_is_started_again_is_found_again(tmp_path: Path) -> None:
    stream = io.StringIO()
    handler = JournalHandler(tmp_path / "socket", logging.StreamHandler(stream))
    first = Journal(tmp_path / "socket")
    record = logging.LogRecord("atelierd", 20, "x.py", 1, "going on", (), None)
    handler.handle(record)
    assert first.entry()["MESSAGE"] == "going on"
    first.close()
    (tmp_path / "socket").unlink()
    handler.handle(record)
    second = Journal(tmp_path / "socket")
    handler.handle(record)
    assert second.entry()["MESSAGE"] == "going on"
    assert stream.getvalue() == "going on\n"
    second.close()
    handler.close()


def test_a_name_that_is_no_text_is_written_as_its_bytes() -> None:
    assert entry({"MESSAGE": "a\udcff"}) == b"MESSAGE=a\\udcff\n"


def test_auto_is_the_journal_where_standard_error_leads_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status = os.fstat(2)
    ours = f"{status.st_dev}:{status.st_ino}"
    assert is_our_stderr(ours)
    assert not is_our_stderr(f"{status.st_dev}:{status.st_ino + 1}")
    assert not is_our_stderr("")
    assert not is_our_stderr("nonsense")
    monkeypatch.setenv("JOURNAL_STREAM", ours)
    assert chosen_form("auto") == "journald"
    monkeypatch.delenv("JOURNAL_STREAM")
    assert chosen_form("auto") == "text"
    assert chosen_form("json") == "json"


def test_json_lines_have_the_same_facts_as_keys() -> None:
    record = logging.LogRecord("atelierd", 20, "x.py", 1, "done", (), None)
    vars(record).update(about(job="skyline", iteration=40))
    assert facts_of(record) == {"job": "skyline", "iteration": 40}
    line = JsonLines().format(record)
    assert '"job": "skyline", "iteration": 40' in line
