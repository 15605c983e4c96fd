"""One machine for all tests: booted, with atelierd installed as docs/server.md says."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.boot.image import VENV, ImageError, build_wheel, image, in_root
from tests.boot.machine import Machine, copy_of
from tests.boot.served import Served

_NEEDED = ("systemd-nspawn", "debootstrap", "nsenter")


def _lacking() -> str | None:
    """Return why no machine can be booted here, in words; None if one can."""
    missing = [program for program in _NEEDED if shutil.which(program) is None]
    if missing:
        return (
            f"{', '.join(missing)}: not installed (apt-get install systemd-container debootstrap)"
        )
    if os.geteuid() != 0:
        return "only root may boot a container"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    return None if tried.returncode == 0 else "this machine lets nobody make namespaces"


def _unable(why: str) -> None:
    if os.environ.get("ATELIERD_REQUIRE_NSPAWN") == "1":
        pytest.fail(f"ATELIERD_REQUIRE_NSPAWN is set, but: {why}")
    pytest.skip(why)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Iterator[Machine]:
    """A booted machine with the package in it and no service yet."""
    why = _lacking()
    if why is not None:
        _unable(why)
    folder = tmp_path_factory.mktemp("boot")
    try:
        base = image()
        wheel = build_wheel(folder)
    except ImageError as error:
        _unable(str(error))
    root, remove = copy_of(base, folder / "copy")
    try:
        in_root(
            root,
            *(f"{VENV}/bin/pip", "install", "--quiet", "--no-index", "--no-deps"),
            f"/wheels/{wheel.name}",
            bound=[f"{folder}:/wheels"],
        )
        shutil.copytree(random_weights, root / "weights")
        booted = Machine(root, folder / "console")
        try:
            yield booted
        finally:
            booted.end()
    finally:
        remove()


@pytest.fixture(scope="session")
def installed(machine: Machine) -> Served:
    """The service, installed and never started."""
    return Served(machine)


@pytest.fixture
def served(installed: Served) -> Iterator[Served]:
    """The service, stopped before and after the test, with nothing left of others."""
    installed.reset()
    yield installed
    installed.reset()
