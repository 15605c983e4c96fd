"""Find a CPython 3.6, the newest Python for which CNTK 2.7 was built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from atelierd.engines.cntk.installation import CntkInstallError

#: Names an interpreter for CNTK, as `--python` does.
ENVIRONMENT_VARIABLE = "ATELIERD_CNTK_PYTHON"

#: Seconds for an interpreter to say what it is; pyenv's shims take a moment.
ANSWER_SECONDS = 30

_QUESTION = """
import json, platform, sys
try:
    import ensurepip, venv
except ImportError:
    venv = None
print(json.dumps([platform.python_implementation(), list(sys.version_info[:2]),
                  platform.system() + ' ' + platform.machine(), venv is not None, sys.executable]))
"""


def objection(python: Path) -> str | None:
    """Return why `python` cannot carry CNTK 2.7, None if it can."""
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _QUESTION],
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
        implementation, version, system, venv, _ = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return "does not answer"
    except OSError as error:
        return f"cannot be run ({error.strerror})"
    except ValueError:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return f"is no Python that runs ({lines[-1]})"
    if implementation != "CPython" or version != [3, 6]:
        return f"is {implementation} {version[0]}.{version[1]}, not CPython 3.6"
    if system != "Linux x86_64":
        return f"is for {system}; CNTK has wheels for Linux x86_64 only"
    return None if venv else "lacks the modules venv and ensurepip (apt install python3.6-venv)"


def candidates(environment: Mapping[str, str], home: Path) -> Iterable[Path]:
    """Yield the places where a CPython 3.6 may be, the likeliest first."""
    on_path = shutil.which("python3.6", path=environment.get("PATH"))
    if on_path:
        yield Path(on_path)
    roots = [Path(environment["PYENV_ROOT"])] if environment.get("PYENV_ROOT") else []
    for root in (*roots, home / ".pyenv"):
        for version in sorted((root / "versions").glob("3.6.*")):
            yield version / "bin" / "python"


def find_python(told: Path | None) -> Path:
    """Return a CPython 3.6 that can carry CNTK: the one told, or else the first one found.

    Raises CntkInstallError that says what was tried and how to get one.
    """
    named = told or os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        python = Path(named).absolute()
        if reason := objection(python):
            source = "--python" if told else ENVIRONMENT_VARIABLE
            raise CntkInstallError(f"{source}: {python} {reason}")
        return python
    tried = []
    for python in candidates(os.environ, Path.home()):
        reason = objection(python)
        if reason is None:
            return python
        tried.append(f"{python} {reason}")
    raise CntkInstallError(
        "CNTK 2.7 needs CPython 3.6 and none was found: looked for python3.6 on PATH and in "
        "pyenv's versions folder"
        + "".join(f"; {line}" for line in tried)
        + ". Get one with pyenv (`pyenv install 3.6.15`) or conda "
        "(`conda create -n py36 python=3.6`), then name it: atelierd cntk install --python PATH"
    )
