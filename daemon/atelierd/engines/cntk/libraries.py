"""The two Open MPI libraries that CNTK 2.7 is linked against, under the names it knows.

CNTK asks for the names of Open MPI 1.10. Open MPI 3 and 4 keep what it uses of them, so a link
with the old name is enough; one machine alone never starts MPI.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from atelierd.durable import TEMPORARY_PREFIX
from atelierd.engines.cntk.installation import OLD_LIBRARY_NAMES, CntkInstallError

#: Where distributions put Open MPI: Debian and Ubuntu, Fedora, openSUSE, built from source.
FOLDERS = (
    Path("/usr/lib/x86_64-linux-gnu"),
    Path("/usr/lib64/openmpi/lib"),
    Path("/usr/lib64/mpi/gcc/openmpi4/lib64"),
    Path("/usr/lib64"),
    Path("/usr/lib"),
    Path("/usr/local/lib"),
)

#: Sonames of Open MPI 1.10, 2, and 3 and 4.
_VERSIONS = {"libmpi.so.12": (12, 20, 40), "libmpi_cxx.so.1": (1, 20, 40)}


def locate(name: str, folders: Iterable[Path]) -> Path | None:
    """Return the library that can stand for the old `name`, None if no folder has one."""
    stem = name.rpartition(".")[0]
    for folder in folders:
        for version in reversed(_VERSIONS[name]):
            path = folder / f"{stem}.{version}"
            if path.exists():
                return path
    return None


def link_libraries(target: Path, folders: Iterable[Path] = FOLDERS) -> None:
    """Make the links with the old names in the folder `target`, replacing those there.

    Raises CntkInstallError that names the library that is missing, then no link is made; OSError.
    """
    searched = [*map(Path, filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")))]
    searched += folders
    libraries = {}
    for name in OLD_LIBRARY_NAMES:
        library = locate(name, [folder for folder in searched if folder != target])
        if library is None:
            raise CntkInstallError(
                f"CNTK needs Open MPI's {name}, or its successor of Open MPI 2 to 4, and none is "
                f"in {', '.join(map(str, searched))}: apt install libopenmpi3 (Open MPI 5 lacks "
                "the C++ part; elsewhere install openmpi 4 and set LD_LIBRARY_PATH to its folder)"
            )
        libraries[name] = library
    target.mkdir(parents=True, exist_ok=True)
    for name, library in libraries.items():
        temporary = target / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{name}"
        temporary.symlink_to(library)
        temporary.replace(target / name)
