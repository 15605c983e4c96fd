from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from atelierd.events import Event
from atelierd.ledger.notices import Notice
from atelierd.notify.words import lines, payload, sentence

Make = Callable[..., Notice]


@pytest.mark.parametrize(
    ("event", "facts", "said"),
    [
        (Event.DONE, {}, "skyline is done: 3 pictures, 3 min"),
        (Event.DONE, {"renders": {"done": 1}, "seconds": 7.3}, "skyline is done: 1 picture, 7 s"),
        (Event.FAILED, {}, "skyline has failed: 2 of 3 pictures"),
        (Event.FAILED, {"renders": {"failed": 1}}, "skyline has failed"),
        (Event.FAILED, {"renders": {}}, "skyline has failed: its job file was refused"),
        (Event.EMPTY, {}, "the queue is empty: 12 done, 1 failed"),
        (Event.EMPTY, {"jobs": {}}, "the queue is empty: nothing was done"),
        (Event.OFFLINE, {}, "the queue waits: the share or a disk cannot be used"),
        (Event.BACK, {}, "the queue goes on, after 2 h 2 min"),
        (Event.BACK, {"seconds": 7200}, "the queue goes on, after 2 h"),
        (Event.REPORT, {}, "report of 2026-03-02: 12 done"),
    ],
)
def test_a_sentence_says_what_happened(
    notice: Make, event: Event, facts: dict[str, Any], said: str
) -> None:
    assert sentence(notice(event, **facts)) == said


def test_a_message_has_the_reason_and_where_things_are(notice: Make) -> None:
    text = "\n".join(lines(notice(Event.FAILED)))
    assert text.startswith("skyline has failed: 2 of 3 pictures.\n\nwave.jpg: it is no picture\n\n")
    assert "job file:      anna/skyline.yaml" in text
    assert "in the outbox: skyline" in text


def test_a_message_tells_what_the_trouble_is(notice: Make) -> None:
    assert "/srv/inbox is not there" in lines(notice(Event.OFFLINE))


@pytest.mark.parametrize(
    "name", ["a\r\nBcc: eve@example.org", "a\x1b[31m", "a\u202etxt.exe", "a\udc80", "a\u2028b"]
)
def test_nothing_of_a_job_steers_a_header_or_a_line(notice: Make, name: str) -> None:
    made = notice(Event.FAILED, job=name, name=name, source=name, reason=f"{name}\nBcc: eve")
    assert sentence(made).isprintable()
    told = lines(made)
    assert all(line.isprintable() for line in told)
    # The reason's own line breaks make lines of the message, and no more than that.
    assert sum(line.startswith("Bcc: eve") for line in told) <= 2


def test_a_subject_is_never_longer_than_people_read(notice: Make) -> None:
    assert len(sentence(notice(job="x" * 5_000))) <= 150


def test_a_huge_reason_is_cut(notice: Make) -> None:
    assert len(lines(notice(Event.FAILED, reason="no\n" * 5_000))) < 60


def test_a_call_carries_the_facts_as_json(notice: Make) -> None:
    made = payload(notice(Event.FAILED))
    assert json.loads(json.dumps(made)) == made
    assert made["id"] == f"{1:032x}"
    assert (made["event"], made["time"]) == ("failed", "2026-03-02T06:59:30+00:00")
    assert made["text"] == "skyline has failed: 2 of 3 pictures"
    assert made["reason"] == "wave.jpg: it is no picture"
    assert made["renders"] == {"done": 1, "failed": 2}
