"""Where CNTK lies in the state folder, and whether what lies there can be used."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from atelierd import durable
from atelierd.engines.cntk.processor import math_library_options
from atelierd.errors import AtelierError, JobFault

#: Written last by an installation: without it, or with another one, the folder is half-made.
MARKER = "installation.json"
#: The names under which CNTK 2.7 looks for Open MPI.
OLD_LIBRARY_NAMES = ("libmpi.so.12", "libmpi_cxx.so.1")


class CntkInstallError(AtelierError):
    """CNTK cannot be installed here; the message says what is missing and how to get it."""


@dataclass(frozen=True)
class Installation:
    """A CPython 3.6 with CNTK 2.7 in it, in a folder of its own."""

    folder: Path
    gpu: bool

    @property
    def python(self) -> Path:
        """The interpreter of the virtual environment."""
        return self.folder / "venv" / "bin" / "python"

    @property
    def libraries(self) -> Path:
        """The folder with Open MPI under the names that CNTK asks for."""
        return self.folder / "lib"

    @property
    def requirements(self) -> Path:
        """The pinned and hashed requirements that it was, or is to be, made from."""
        return Path(__file__).with_name(f"requirements-{'gpu' if self.gpu else 'cpu'}.txt")

    def environment(self, threads: int | None = None) -> dict[str, str]:
        """Return the environment variables under which its interpreter runs."""
        variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        paths = [str(self.libraries), variables.get("LD_LIBRARY_PATH", "")]
        variables["LD_LIBRARY_PATH"] = ":".join(path for path in paths if path)
        for name, value in math_library_options(Path("/proc/cpuinfo").read_text()).items():
            variables.setdefault(name, value)
        if threads is not None:
            variables["OMP_NUM_THREADS"] = variables["MKL_NUM_THREADS"] = str(threads)
        return variables

    def write_marker(self) -> None:
        """Record that the installation is whole. Raises OSError."""
        durable.write_json(self.folder / MARKER, self._marker())

    def _marker(self) -> dict[str, object]:
        digest = hashlib.sha256(self.requirements.read_bytes()).hexdigest()
        return {"gpu": self.gpu, "requirements": self.requirements.name, "sha256": digest}

    def problems(self) -> list[str]:
        """Return what keeps it from being used, in sentences that say what to do."""
        again = "run: atelierd cntk install" + (" --gpu" if self.gpu else "")
        try:
            marker = json.loads((self.folder / MARKER).read_bytes())
        except (OSError, ValueError):
            return [f"the installation in {self.folder} was not finished; {again}"]
        found = []
        if marker != self._marker():
            found.append(f"{self.folder} was made by another version of atelierd; {again}")
        if not self.python.exists():
            found.append(
                f"{self.python} leads to no interpreter (was the CPython 3.6 that it was made "
                f"from removed?); {again}"
            )
        for name in OLD_LIBRARY_NAMES:
            link = self.libraries / name
            if not link.exists():
                found.append(f"{link} leads to no library: apt install libopenmpi3, then {again}")
        return found


def is_begun(state_folder: Path) -> bool:
    """Whether anything of CNTK was put into the state folder, by whole or half."""
    return _is_begun(folder_in(state_folder))


def _is_begun(folder: Path) -> bool:
    # Where interpreter or libraries are missing, the installer leaves its lock and no more.
    return any((folder / name).exists() for name in (MARKER, "venv", "lib"))


def _at(folder: Path) -> Installation | None:
    if not _is_begun(folder):
        return None
    try:
        marker = json.loads((folder / MARKER).read_bytes())
        return Installation(folder, gpu=bool(marker["gpu"]))
    except (OSError, ValueError, TypeError, KeyError):
        return Installation(folder, gpu=False)


def folder_in(state_folder: Path) -> Path:
    """Return the folder that CNTK is installed in."""
    return state_folder.absolute() / "cntk"


def find(state_folder: Path) -> Installation | None:
    """Return the installation in the state folder, None if there is none that can be used."""
    installation = _at(folder_in(state_folder))
    return installation if installation and not installation.problems() else None


def problems(state_folder: Path) -> list[str]:
    """Return what is wrong with CNTK in the state folder; empty if it can be used."""
    return problems_of(folder_in(state_folder))


def problems_of(folder: Path) -> list[str]:
    """Return what is wrong with CNTK in its own folder; empty if it can be used."""
    installation = _at(folder)
    if installation is None:
        return ["CNTK is not installed; run: atelierd cntk install"]
    return installation.problems()


def usable(folder: Path | None) -> Installation:
    """Return the installation in its own folder. Raises JobFault that says what to do.

    It is the job that asks for CNTK where there is none: to try again would not help it.
    """
    found = problems_of(folder) if folder else ["this process was told of no CNTK"]
    installation = _at(folder) if folder else None
    if found or installation is None:
        raise JobFault(f"engine: cntk cannot be used here: {'; '.join(found)}; or engine: torch")
    return installation
