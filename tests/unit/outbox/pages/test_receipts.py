from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atelierd.outbox.pages.receipts import read_entry
from atelierd.outbox.publish import PublishedFile, RenderResult


def leave(files: Path, receipt: dict[str, Any]) -> None:
    file = PublishedFile("evening.png", 5, "ef" * 32)
    text = RenderResult(3, "evening", (file,), receipt).as_json()
    (files / "0003-receipt.json").write_text(text)


def test_a_receipt_is_read_as_it_was_written(tmp_path: Path, receipt: dict[str, Any]) -> None:
    leave(tmp_path, receipt)
    entry = read_entry(tmp_path, 3, "evening")
    assert entry is not None
    assert entry.files == [PublishedFile("evening.png", 5, "ef" * 32)]
    assert entry.receipt.engine["device"] == "cpu"
    assert entry.receipt.trace[-1].iteration == 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trace", "none"),
        ("trace", [{"iteration": -1}]),
        ("seconds", float("nan")),
        ("width", 10**9),
        ("engine", {"device": ["cpu"]}),
        ("settings", None),
        ("notes", "text"),
    ],
)
def test_a_receipt_that_somebody_has_changed_does_not_count(
    tmp_path: Path, receipt: dict[str, Any], key: str, value: object
) -> None:
    leave(tmp_path, receipt | {key: value})
    assert read_entry(tmp_path, 3, "evening") is None


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, "null", "\0"])
def test_what_is_no_receipt_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "0003-receipt.json").write_text(text)
    assert read_entry(tmp_path, 3, "evening") is None


def test_a_receipt_of_another_render_does_not_count(
    tmp_path: Path, receipt: dict[str, Any]
) -> None:
    leave(tmp_path, receipt)
    assert read_entry(tmp_path, 3, "morning") is None
    assert read_entry(tmp_path, 4, "evening") is None


def test_a_link_is_not_followed(tmp_path: Path, receipt: dict[str, Any]) -> None:
    leave(tmp_path, receipt)
    (tmp_path / "0004-receipt.json").symlink_to("0003-receipt.json")
    assert read_entry(tmp_path, 4, "evening") is None
