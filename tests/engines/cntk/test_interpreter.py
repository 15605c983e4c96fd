"""Finding a CPython 3.6, told from everything that only looks like one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from atelierd.engines.cntk import interpreter
from atelierd.engines.cntk.installation import CntkInstallError
from atelierd.engines.cntk.interpreter import candidates, find_python, objection

GOOD = ["CPython", [3, 6], "Linux x86_64", True, "/usr/bin/python3.6"]


def fake(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def answering(path: Path, *changes: tuple[int, object]) -> Path:
    answer = list(GOOD)
    for position, value in changes:
        answer[position] = value
    return fake(path, f"echo '{json.dumps(answer)}'")


def test_a_cpython_3_6_on_linux_is_taken(tmp_path: Path) -> None:
    assert objection(answering(tmp_path / "python3.6")) is None


@pytest.mark.parametrize(
    ("position", "value", "complaint"),
    [
        (0, "PyPy", "is PyPy 3.6, not CPython 3.6"),
        (1, [3, 7], "is CPython 3.7, not CPython 3.6"),
        (2, "Linux aarch64", "has wheels for Linux x86_64 only"),
        (3, False, "apt install python3.6-venv"),
    ],
)
def test_another_interpreter_is_refused_with_its_own_sentence(
    tmp_path: Path, position: int, value: object, complaint: str
) -> None:
    reason = objection(answering(tmp_path / "python3.6", (position, value)))
    assert reason is not None and complaint in reason


def test_this_interpreter_is_refused() -> None:
    reason = objection(Path(sys.executable))
    assert reason == f"is CPython 3.{sys.version_info[1]}, not CPython 3.6"


def test_a_pyenv_shim_without_its_version_is_refused_in_its_own_words(tmp_path: Path) -> None:
    shim = fake(tmp_path / "python3.6", "echo 'pyenv: python3.6: command not found' >&2; exit 127")
    assert objection(shim) == "is no Python that runs (pyenv: python3.6: command not found)"


def test_a_file_that_cannot_be_run_is_refused(tmp_path: Path) -> None:
    assert objection(tmp_path / "nothing") == "cannot be run (No such file or directory)"


def test_an_interpreter_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "ANSWER_SECONDS", 0.1)
    assert objection(fake(tmp_path / "python3.6", "exec sleep 60")) == "does not answer"


def test_it_looks_on_path_and_then_in_pyenvs_versions(tmp_path: Path) -> None:
    on_path = answering(tmp_path / "bin" / "python3.6")
    versions = tmp_path / ".pyenv" / "versions"
    for version in ("3.6.9", "3.11.7", "3.6.15"):
        answering(versions / version / "bin" / "python")
    root = answering(tmp_path / "root" / "versions" / "3.6.8" / "bin" / "python")
    environment = {"PATH": str(tmp_path / "bin"), "PYENV_ROOT": str(tmp_path / "root")}
    assert list(candidates(environment, tmp_path)) == [
        on_path,
        root,
        *(versions / version / "bin" / "python" for version in ("3.6.15", "3.6.9")),
    ]


def test_one_that_was_told_is_never_replaced_by_another(tmp_path: Path) -> None:
    with pytest.raises(CntkInstallError, match=r"--python: .* cannot be run"):
        find_python(tmp_path / "python3.6")


def test_the_environment_variable_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = answering(tmp_path / "python3.6")
    monkeypatch.setenv(interpreter.ENVIRONMENT_VARIABLE, str(python))
    assert find_python(None) == python
    python.unlink()
    with pytest.raises(CntkInstallError, match=interpreter.ENVIRONMENT_VARIABLE):
        find_python(None)


def test_none_at_all_says_what_was_tried_and_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = fake(tmp_path / "bin" / "python3.6", "exit 1")
    monkeypatch.delenv(interpreter.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", f"{shim.parent}:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    with pytest.raises(CntkInstallError) as caught:
        find_python(None)
    for words in (f"{shim} is no Python that runs", "pyenv install 3.6.15", "--python PATH"):
        assert words in str(caught.value)
