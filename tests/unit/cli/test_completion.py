"""What a shell offers when somebody presses the Tab key."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is not where one is looked for, with three jobs."""
    state = tmp_path / "state"
    state.mkdir()
    ledger = Ledger.open(state / "ledger.sqlite")
    for name in ("skyline", "skyscraper", "bridge"):
        ledger.add_job(
            NewJob(
                id=f"id-{name}",
                name=name,
                source="x",
                submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
                job_file_sha256="0",
                failure="no",
            )
        )
    ledger.close()
    config = tmp_path / "elsewhere" / "own.yaml"
    config.parent.mkdir()
    config.write_text(f"inbox: /nowhere/in\noutbox: /nowhere/out\nstate: {state}\n")
    return config


def offered(folder: Path, *words: str, shell: str = "complete_bash") -> list[str]:
    """Return what is offered for the last of `words`, as a shell asks for it."""
    done = subprocess.run(
        [sys.executable, "-c", "from atelierd.cli import main; main([])"],
        cwd=folder,
        env={
            **os.environ,
            "HOME": str(folder),
            "_ATELIERD_COMPLETE": shell,
            "COMP_WORDS": " ".join(["atelierd", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout.split()


def test_commands_are_offered(tmp_path: Path) -> None:
    assert offered(tmp_path, "sho") == ["show"]


@pytest.mark.parametrize("command", ["show", "cancel", "retry"])
def test_names_of_jobs_are_offered_from_the_ledger(config: Path, command: str) -> None:
    found = offered(config.parent, command, "--config", str(config), "sky")
    assert sorted(found) == ["skyline", "skyscraper"]


def test_the_configuration_of_the_current_folder_is_found(config: Path) -> None:
    config.rename(config.with_name("atelierd.yaml"))
    assert offered(config.parent, "show", "b") == ["bridge"]


def test_a_job_that_is_named_already_is_not_offered_again(config: Path) -> None:
    config.rename(config.with_name("atelierd.yaml"))
    assert offered(config.parent, "cancel", "skyline", "sky") == ["skyscraper"]


def test_where_there_is_no_ledger_nothing_is_offered_and_nothing_said(tmp_path: Path) -> None:
    assert offered(tmp_path, "show", "sky") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_can_be_had(tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "atelierd", "--show-completion", shell],
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_ATELIERD_COMPLETE" in done.stdout
