from __future__ import annotations

import threading

import pytest

from atelierd.cli.boxed import within


def test_an_answer_is_handed_on() -> None:
    assert within(5, lambda: "here") == "here"


def test_an_error_is_handed_on() -> None:
    def ask() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        within(5, ask)


def test_what_never_answers_is_left_alone() -> None:
    released = threading.Event()
    assert within(0.05, released.wait) is None
    released.set()
