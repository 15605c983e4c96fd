"""`atelierd backup`: where it writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd.exits import Exit
from atelierd.ledger import Ledger

Command = Callable[..., Any]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a daemon that was started once."""
    (tmp_path / "state").mkdir()
    Ledger.open(tmp_path / "state" / "ledger.sqlite").close()
    path = tmp_path / "atelierd.yaml"
    path.write_text("inbox: inbox\noutbox: outbox\nstate: state\n")
    return path


def test_a_folder_gets_a_dated_file_and_a_file_its_own_name(
    command: Command, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "backups").mkdir()
    assert command("backup", tmp_path / "backups", "-c", config).code == 0
    (file,) = (tmp_path / "backups").iterdir()
    assert file.name.startswith("atelierd-") and file.name.endswith(".tar.gz")
    assert command("backup", tmp_path / "mine.tgz", "-c", config).code == 0
    assert (tmp_path / "mine.tgz").is_file()


@pytest.mark.parametrize("target", ["backups", "backups/mine.tar.gz"])
def test_a_folder_that_is_not_there_is_not_taken_for_a_file(
    command: Command, config: Path, tmp_path: Path, target: str
) -> None:
    outcome = command("backup", tmp_path / target, "-c", config)
    assert outcome.code == Exit.CONFIG
    assert f"{tmp_path / 'backups'}: there is no such folder" in " ".join(outcome.err.split())
    assert not (tmp_path / "backups").exists()
