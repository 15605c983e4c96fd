"""Install CNTK 2.7 into the state folder: interpreter, wheels, libraries, and a proof."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from atelierd.engines.cntk.installation import (
    MARKER,
    CntkInstallError,
    Installation,
    find,
    folder_in,
)
from atelierd.engines.cntk.interpreter import find_python
from atelierd.engines.cntk.libraries import link_libraries
from atelierd.engines.cntk.proof import prove

Report = Callable[[str], None]


def install(state_folder: Path, python: Path | None, gpu: bool, report: Report) -> Installation:
    """Install CNTK 2.7 in `<state_folder>/cntk` and prove it; a finished one that works is kept.

    Broken off at any point, the next call goes on: wheels that arrived whole are kept, anything
    else half-made is made anew. `report` takes lines for people. Raises CntkInstallError that
    says what is missing and how to get it, OSError.
    """
    folder = folder_in(state_folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, report):
        found = find(state_folder)
        if (
            found is not None
            and found.gpu == gpu
            and (python is None or found.python.resolve() == python.resolve())
        ):
            report(f"CNTK is already in {folder}; computing a known answer")
            try:
                prove(found)
                return found
            except CntkInstallError as error:
                report(f"{error}\nMaking it anew")
        installation = Installation(folder, gpu)
        _make(installation, find_python(python), report)
        report("computing a known answer")
        prove(installation)
        installation.write_marker()
        report(f"CNTK 2.7 works ({'GPU' if gpu else 'CPU'}), in {folder}")
        return installation


def _make(installation: Installation, python: Path, report: Report) -> None:
    # Nothing under this folder counts until the marker is there again.
    (installation.folder / MARKER).unlink(missing_ok=True)
    link_libraries(installation.libraries)
    venv = installation.folder / "venv"
    if venv.exists():
        shutil.rmtree(venv)
    report(f"making a virtual environment of {python}")
    _run([str(python), "-I", "-m", "venv", str(venv)], report=lambda _: None)
    wheels = installation.folder / "wheels"
    pip = [str(installation.python), "-m", "pip", "--disable-pip-version-check"]
    pinned = ["--require-hashes", "--no-deps", "--only-binary=:all:"]
    pinned += ["-r", str(installation.requirements)]
    report("fetching CNTK, NumPy and SciPy" + (" (560 MB)" if installation.gpu else " (115 MB)"))
    _run([*pip, "download", "--dest", str(wheels), *pinned], report)
    _run([*pip, "install", "--no-index", "--find-links", str(wheels), *pinned], report)
    shutil.rmtree(wheels)


def _run(command: list[str], report: Report) -> None:
    """Run a command, hand on its lines, and raise CntkInstallError with them if it fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    lines: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            report(lines[-1])
    if process.returncode:
        end = "\n".join(f"  {line}" for line in lines[-12:])
        raise CntkInstallError(
            f"{' '.join(command[:6])} ... ended with status {process.returncode}:\n{end}\n"
            "Nothing was changed outside the state folder; put it right (the network? the "
            "package index? free space?) and run atelierd cntk install again, which goes on "
            "from here."
        )


@contextlib.contextmanager
def _locked(folder: Path, report: Report) -> Iterator[None]:
    """Hold the folder's lock, waiting for another process that is installing."""
    with (folder / "install.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another atelierd is installing CNTK in {folder}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
