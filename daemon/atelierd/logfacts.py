"""What a log record is about, beside its words: facts that programs look for.

A logger takes them as `extra=about(...)`; the forms of the log that have fields show them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

_ATTRIBUTE = "atelierd_facts"


def about(**facts: str | int | float | None) -> dict[str, Any]:
    """Return facts as the `extra` of a log call; those that are None are left out."""
    return {_ATTRIBUTE: {name: fact for name, fact in facts.items() if fact is not None}}


def facts_of(record: logging.LogRecord) -> Mapping[str, str | int | float]:
    """Return the facts of a record; most have none."""
    found = getattr(record, _ATTRIBUTE, {})
    return found if isinstance(found, dict) else {}
