from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd import __version__
from atelierd.cli import configuration
from atelierd.errors import JobFault, NodeFault, WeightsError, WorldFault
from atelierd.exits import Exit

Command = Callable[..., Any]

#: Frameworks and file readers: each takes from a tenth of a second to seconds to import.
HEAVY = {"torch", "scipy", "onnx", "h5py", "safetensors", "requests", "skimage"}


def test_help_names_every_command_and_every_exit_code(command: Command) -> None:
    outcome = command("--help")
    assert outcome.code == 0
    for name in ("init", "run", "render", "check", "doctor", "evaluate", "weights", "cntk"):
        assert f" {name} " in outcome.out
    for code in Exit:
        assert f"{code.value}: {code.words}" in outcome.out


def test_the_version_is_said(command: Command) -> None:
    assert command("--version").out == f"atelierd {__version__}\n"


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "atelierd", "--version"], capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == f"atelierd {__version__}"


def test_a_command_line_that_makes_no_sense_exits_with_2(command: Command) -> None:
    outcome = command("paint")
    assert outcome.code == Exit.USAGE
    assert "paint" in outcome.err
    assert command("run", "--log", "loud").code == Exit.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JobFault("no"), Exit.FAILED),
        (NodeFault("no"), Exit.FAILED),
        (WeightsError("no"), Exit.UNAVAILABLE),
        (WorldFault("no"), Exit.KEPT_FROM_WORK),
        (OSError(28, "No space left on device", "/full"), Exit.KEPT_FROM_WORK),
        (OSError(2, "No such file or directory", "/gone"), Exit.FAILED),
    ],
)
def test_an_error_becomes_one_message_and_its_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, code: Exit
) -> None:
    def raising(_: Path | None) -> None:
        raise error

    monkeypatch.setattr("atelierd.cli.status.read_config", raising)
    outcome = command("status")
    assert outcome.code == code
    assert outcome.err.startswith("atelierd: ")
    assert len(outcome.err.splitlines()) == 1
    monkeypatch.setenv("ATELIERD_DEBUG", "1")
    assert "Traceback" in command("status").err


def test_a_bug_is_called_one_and_shows_where(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(_: Path | None) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("atelierd.cli.status.read_config", raising)
    outcome = command("status")
    assert outcome.code == Exit.INTERNAL
    assert "Traceback" in outcome.err
    assert "this is a bug" in outcome.err


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["jobs"], ["cancel", "x"]])
def test_it_starts_without_importing_what_only_renders_need(
    tmp_path: Path, arguments: list[str]
) -> None:
    # The ledger is there, so that the commands come further than to its absence.
    program = f"""
import sys, pathlib
from atelierd.ledger import Ledger
Ledger.open(pathlib.Path({str(tmp_path / "ledger.sqlite")!r})).close()
from atelierd.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("imported", *sys.modules)
"""
    config = tmp_path / configuration.FILE_NAME
    config.write_text(f"inbox: /nowhere/in\noutbox: /nowhere/out\nstate: {tmp_path}\n")
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stdout.rpartition("imported ")[2].split())
    assert "atelierd.cli.app" in imported
    assert not HEAVY & imported


def test_a_terminal_without_unicode_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "größe").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "atelierd", "init", "größe", "--state", "state"],
        cwd=tmp_path,
        env={"PYTHONIOENCODING": "ascii", "PATH": "", "HOME": str(tmp_path), "PYTHONUTF8": "1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"gr\\xf6\\xdfe" in done.stdout
