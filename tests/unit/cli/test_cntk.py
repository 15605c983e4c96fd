from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd.engines.cntk.installation import Installation
from atelierd.exits import Exit

Command = Callable[..., Any]


def test_it_goes_into_the_configurations_state_folder(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def install(
        state: Path, python: Path | None, gpu: bool, report: Callable[[str], None]
    ) -> Installation:
        asked.append((state, python, gpu))
        report("fetching CNTK")
        return Installation(state / "cntk", gpu)

    monkeypatch.setattr("atelierd.engines.cntk.install.install", install)
    command("init", "share", "--state", "state")
    outcome = command("cntk", "install", "--python", "/usr/bin/python3.6", "--gpu")
    assert outcome.code == 0
    assert outcome.out == f"{tmp_path / 'state' / 'cntk'}\n"
    assert "fetching CNTK" in outcome.err
    assert asked == [(tmp_path / "state", Path("/usr/bin/python3.6"), True)]


def test_what_is_missing_is_said_and_has_its_exit_code(command: Command, tmp_path: Path) -> None:
    (tmp_path / "python3.6").write_text("#!/bin/sh\nexit 1\n")
    command("init", "share", "--state", "state")
    outcome = command("cntk", "install", "--python", tmp_path / "python3.6")
    assert outcome.code == Exit.UNAVAILABLE
    assert "--python" in outcome.err
