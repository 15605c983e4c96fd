"""What doctor says of the state folder, whatever lies in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atelierd.engines.cntk.installation import (
    MARKER,
    OLD_LIBRARY_NAMES,
    Installation,
    find,
    problems,
    usable,
)
from atelierd.engines.cntk.processor import MKL_VARIABLE
from atelierd.errors import JobFault


@pytest.fixture
def whole(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path / "cntk", gpu=False)
    for path in (installation.python, *(installation.libraries / n for n in OLD_LIBRARY_NAMES)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    installation.write_marker()
    return installation


def test_a_whole_installation_is_found_and_has_no_problems(whole: Installation) -> None:
    assert find(whole.folder.parent) == whole
    assert problems(whole.folder.parent) == []


@pytest.mark.parametrize("left", [None, "install.lock"])
def test_where_nothing_was_installed_it_says_what_to_run(tmp_path: Path, left: str | None) -> None:
    if left is not None:
        (tmp_path / "cntk").mkdir()
        (tmp_path / "cntk" / left).touch()
    assert find(tmp_path) is None
    assert problems(tmp_path) == ["CNTK is not installed; run: atelierd cntk install"]


@pytest.mark.parametrize("marker", [None, "", "[]", "{}"])
def test_an_installation_that_was_broken_off_is_not_used(
    whole: Installation, marker: str | None
) -> None:
    (whole.folder / MARKER).unlink()
    if marker is not None:
        (whole.folder / MARKER).write_text(marker)
    assert find(whole.folder.parent) is None
    assert len(problems(whole.folder.parent)) == 1


def test_one_made_from_other_requirements_is_not_used(whole: Installation) -> None:
    marker = json.loads((whole.folder / MARKER).read_text())
    (whole.folder / MARKER).write_text(json.dumps(marker | {"sha256": "0" * 64}))
    assert find(whole.folder.parent) is None
    assert "made by another version of atelierd" in problems(whole.folder.parent)[0]


def test_a_removed_interpreter_is_named(whole: Installation) -> None:
    whole.python.unlink()
    whole.python.symlink_to("/nowhere/python3.6")
    assert find(whole.folder.parent) is None
    assert f"{whole.python} leads to no interpreter" in problems(whole.folder.parent)[0]


def test_a_removed_library_says_what_to_install(whole: Installation) -> None:
    (whole.libraries / "libmpi.so.12").unlink()
    assert find(whole.folder.parent) is None
    assert "apt install libopenmpi3" in problems(whole.folder.parent)[0]


def test_a_gpu_installation_is_told_from_one_for_the_cpu(whole: Installation) -> None:
    Installation(whole.folder, gpu=True).write_marker()
    found = find(whole.folder.parent)
    assert found is not None and found.gpu


def test_a_job_that_asks_for_cntk_where_it_is_missing_is_told_what_to_do(
    whole: Installation, tmp_path: Path
) -> None:
    assert usable(whole.folder) == whole
    with pytest.raises(JobFault, match=r"run: atelierd cntk install.* or engine: torch"):
        usable(tmp_path / "nowhere")
    with pytest.raises(JobFault, match="engine: cntk cannot be used here"):
        usable(None)


def test_every_requirement_is_pinned_and_hashed(tmp_path: Path) -> None:
    for gpu in (False, True):
        lines = Installation(tmp_path, gpu).requirements.read_text().splitlines()
        pinned = [line for line in lines if not line.startswith("#")]
        assert len(pinned) == 3
        assert all("==" in line and " --hash=sha256:" in line for line in pinned)


def test_the_interpreter_sees_its_libraries_before_the_users_and_none_of_our_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    monkeypatch.setenv("PYTHONPATH", "/opt/python")
    installation = Installation(tmp_path, gpu=False)
    environment = installation.environment(threads=2)
    assert environment["LD_LIBRARY_PATH"] == f"{tmp_path / 'lib'}:/opt/lib"
    assert environment["OMP_NUM_THREADS"] == "2"
    assert "PYTHONPATH" not in environment


def test_what_the_user_says_to_the_math_library_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(MKL_VARIABLE, "0")
    assert Installation(tmp_path, gpu=False).environment()[MKL_VARIABLE] == "0"
