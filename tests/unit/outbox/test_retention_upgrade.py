"""What one version has written, a later one still takes away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.outbox.test_retention import Office

from atelierd.ledger.states import JobState
from atelierd.outbox import provenance


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    one = Office(tmp_path)
    yield one
    one.ledger.close()


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED])
def test_a_version_that_words_its_texts_otherwise_knows_those_of_the_one_before(
    office: Office, state: JobState, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = office.job("a", state=state)
    monkeypatch.setattr(provenance, "job_status", lambda *_: {"job": "a", "a new key": 1})
    monkeypatch.setattr(provenance, "error_text", lambda *_: "in other words")
    office.sweep()
    assert not folder.exists()


@pytest.mark.parametrize("name", ["status.json", "error.txt"])
def test_a_text_that_a_person_has_changed_keeps_the_folder_there_too(
    office: Office, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = office.job("a", state=JobState.FAILED)
    (folder / name).write_text("mine")
    monkeypatch.setattr(provenance, "job_status", lambda *_: {"job": "a", "a new key": 1})
    monkeypatch.setattr(provenance, "error_text", lambda *_: "in other words")
    office.sweep()
    assert (folder / name).read_text() == "mine"
