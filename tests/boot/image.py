"""A Debian with the package's dependencies in it, made once and kept between runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
#: Beside what every Debian has.
PACKAGES = ("systemd", "systemd-sysv", "python3", "python3-venv")
#: Where docs/server.md puts the program.
VENV = "/opt/atelierd"
#: To be changed when what is done here changes.
EDITION = 1
#: Marks a root that was finished.
_FINISHED = ".atelierd-image"


class ImageError(Exception):
    """No image can be made; the message says why."""


def cache() -> Path:
    """Return the folder that outlives a test run."""
    return Path(os.environ.get("ATELIERD_TEST_CACHE", "~/.cache/atelierd")).expanduser() / "boot"


def image() -> Path:
    """Return a root folder with dependencies installed; not to be changed. Raises ImageError."""
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    key = _key()
    root = folder / f"root-{key}"
    with _alone(folder / "lock"):
        for old in folder.glob("root-*"):
            if old != root or not _is_whole(root, key):
                _remove_unless_used(old)
        if root.exists():
            _use(root)
            return root
        making = folder / f"root-{key}.making"
        _call("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE,
              str(making), MIRROR)  # fmt: skip
        _install_dependencies(making, folder / "wheels")
        (making / _FINISHED).write_text(key)
        making.rename(root)
        _use(root)
    return root


def build_wheel(folder: Path) -> Path:
    """Build the package's wheel from the tree into `folder`, and return it. Raises ImageError."""
    _call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder),
          str(REPOSITORY))  # fmt: skip
    (wheel,) = folder.glob("atelierd-*.whl")
    return wheel


def in_root(root: Path, *command: str, bound: Sequence[str] = ()) -> None:
    """Run a command in a root that is not booted. Raises ImageError if it fails."""
    binds = [f"--bind-ro={one}" for one in bound]
    _call("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network",
          "--pipe", *binds, f"--directory={root}", *command)  # fmt: skip


def _install_dependencies(root: Path, wheels: Path) -> None:
    """Make the virtual environment, with wheels that this machine's pip finds."""
    shutil.rmtree(wheels, ignore_errors=True)
    constraints = REPOSITORY / "constraints.txt"
    _call(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
          "--python-version=3.11", "--constraint", str(constraints), "--dest", str(wheels),
          *_requirements())  # fmt: skip
    in_root(root, "python3", "-m", "venv", VENV)
    in_root(
        root,
        *(f"{VENV}/bin/pip", "install", "--quiet", "--no-cache-dir", "--no-index"),
        *("--find-links=/wheels", *_requirements()),
        bound=[f"{wheels}:/wheels"],
    )
    shutil.rmtree(wheels)


def _requirements() -> list[str]:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    dependencies: list[str] = project["dependencies"]
    cluster: list[str] = project["optional-dependencies"]["cluster"]
    return dependencies + cluster


def _key() -> str:
    constraints = (REPOSITORY / "constraints.txt").read_text()
    parts = (str(EDITION), SUITE, *PACKAGES, *_requirements(), constraints)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _is_whole(root: Path, key: str) -> bool:
    """Whether the root was finished, and nobody has taken the heart out of it since."""
    mark = root / _FINISHED
    there = mark.is_file() and mark.read_text() == key
    return there and all(
        os.path.lexists(root / name)
        for name in ("usr/lib/systemd/systemd", "usr/bin/python3", f"{VENV[1:]}/bin/pip")
    )


def _use(root: Path) -> None:
    """Keep other runs from removing a root as long as this process lives."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def _remove_unless_used(root: Path) -> None:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(root)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _call(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise ImageError(f"{command[0]} ended with {done.returncode}: {said}")
