"""One line of `doctor`'s report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How good a finding is."""

    OK = "ok"
    #: It works, and could be better, or will not in some case.
    WARN = "warn"
    #: It does not work.
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do about it."""

    topic: str
    level: Level
    text: str
    advice: str = ""
    """Empty if nothing is to be done, or the text says it."""


def ok(topic: str, text: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(topic, Level.OK, text)


def warn(topic: str, text: str, advice: str = "") -> Finding:
    """Return a finding of something that could be better."""
    return Finding(topic, Level.WARN, text, advice)


def fail(topic: str, text: str, advice: str = "") -> Finding:
    """Return a finding of something that does not work."""
    return Finding(topic, Level.FAIL, text, advice)
