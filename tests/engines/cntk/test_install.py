"""The real installation, from nothing and from what a broken-off one leaves."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import numpy as np
import pytest

from atelierd.engines.cntk import install as cntk_install
from atelierd.engines.cntk import proof
from atelierd.engines.cntk.install import install
from atelierd.engines.cntk.installation import (
    MARKER,
    CntkInstallError,
    Installation,
    find,
    is_begun,
)
from atelierd.engines.cntk.proof import prove

pytestmark = pytest.mark.cntk


@pytest.fixture
def linked(cntk_installation: Installation, tmp_path: Path) -> Installation:
    """An installation that shares the real one's environment, to be spoiled at will."""
    installation = Installation(tmp_path / "cntk", gpu=False)
    installation.folder.mkdir()
    (installation.folder / "venv").symlink_to(cntk_installation.folder / "venv")
    installation.libraries.symlink_to(cntk_installation.libraries)
    return installation


@pytest.mark.slow
def test_a_half_made_installation_is_made_anew_and_proved(
    cntk_installation: Installation, tmp_path: Path
) -> None:
    installation = Installation(tmp_path / "cntk", gpu=False)
    installation.python.parent.mkdir(parents=True)
    (installation.folder / "venv" / "half").write_text("left by a broken-off installation")
    lines: list[str] = []
    made = install(tmp_path, cntk_installation.python.resolve(), gpu=False, report=lines.append)
    assert made == find(tmp_path) == installation
    assert not (installation.folder / "venv" / "half").exists()
    assert not (installation.folder / "wheels").exists()
    assert lines[-1] == f"CNTK 2.7 works (CPU), in {tmp_path / 'cntk'}"


def test_a_finished_installation_is_only_proved(linked: Installation) -> None:
    linked.write_marker()
    lines: list[str] = []
    assert install(linked.folder.parent, None, gpu=False, report=lines.append) == linked
    assert lines == [f"CNTK is already in {linked.folder}; computing a known answer"]


def test_a_finished_installation_that_no_longer_works_is_made_anew(
    linked: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked.write_marker()
    answers = iter([CntkInstallError("computes wrongly"), None])
    made: list[Installation] = []

    def prove_in_turn(_: Installation) -> None:
        if error := next(answers):
            raise error

    monkeypatch.setattr(cntk_install, "prove", prove_in_turn)
    monkeypatch.setattr(cntk_install, "_make", lambda it, *_: made.append(it))
    assert install(linked.folder.parent, None, gpu=False, report=lambda _: None) == linked
    assert made == [linked]


def test_without_an_interpreter_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(CntkInstallError, match="cannot be run"):
        install(tmp_path, tmp_path / "python3.6", gpu=False, report=lambda _: None)
    assert find(tmp_path) is None
    assert not is_begun(tmp_path)


def test_a_second_installer_waits_for_the_first_and_takes_its_result(
    linked: Installation,
) -> None:
    waiting = threading.Event()
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if "waiting" in line:
            waiting.set()

    with (linked.folder / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=install, args=(linked.folder.parent, None, False, report))
        second.start()
        assert waiting.wait(60)
        linked.write_marker()
    second.join()
    assert lines[-1] == f"CNTK is already in {linked.folder}; computing a known answer"


def test_an_environment_that_cannot_import_cntk_is_not_called_installed(
    linked: Installation, tmp_path: Path
) -> None:
    linked.libraries.unlink()
    linked.libraries.mkdir()
    with pytest.raises(CntkInstallError, match=r"does not work: (.|\n)*libmpi"):
        prove(linked)


def test_a_wrong_answer_is_told_with_its_size(
    linked: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = proof._convolved_back
    monkeypatch.setattr(proof, "_convolved_back", lambda *a: np.float64(1.1) * right(*a))
    with pytest.raises(CntkInstallError, match=r"its gradient by 9\.1e-02"):
        prove(linked)
    assert not (linked.folder / MARKER).exists()
