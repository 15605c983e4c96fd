"""Checkpoints: everything that a render needs to go on, in a file that proves it is whole.

A file is one line of JSON (format, version, SHA-256 of the rest), then a NumPy archive. Two
generations are kept: a damaged newest falls back to the older one (rule 15 of the spool rules).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from atelierd.durable import replacing
from atelierd.failpoints import failpoint

logger = logging.getLogger(__name__)

FORMAT = "atelierd checkpoint"
VERSION = 1
#: Generations kept of each render.
GENERATIONS = 2
#: What the names of checkpoint files end with.
SUFFIX = ".checkpoint"
#: Name among the arrays of the facts, as JSON.
_FACTS = "__facts__"

#: Plain numbers, strings, lists and dictionaries under `facts`; arrays beside them.
Arrays = dict[str, NDArray[Any]]


class DamagedCheckpointError(Exception):
    """A checkpoint file is not whole, or is of another version."""


class OnHost(Mapping[str, NDArray[Any]]):
    """Arrays of the engine's kind, each brought to the host when it is asked for."""

    def __init__(self, arrays: Mapping[str, Any], bring: Callable[[Any], NDArray[Any]]) -> None:
        self._arrays = arrays
        self._bring = bring

    def __getitem__(self, key: str) -> NDArray[Any]:
        return self._bring(self._arrays[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def save(
    folder: Path, iteration: int, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Path:
    """Write the checkpoint of `iteration` durably and keep one older generation beside it.

    Those of later iterations are dropped too: they were damaged, or of another plan, or the render
    would not have come by here again. The arrays are asked for and written one after the other, so
    that a huge render's are never held twice. Raises OSError.
    """
    path = folder / f"{iteration:08d}{SUFFIX}"
    with replacing(path) as file:
        file.write(_header("0" * 64))
        payload = _Hashing(file)
        with zipfile.ZipFile(cast(IO[bytes], payload), "w") as archive:
            _add(archive, _FACTS, np.array(json.dumps(facts)))
            for name, array in arrays.items():
                _add(archive, name, array)
        # Now the digest is known; it is as long as what it replaces.
        file.seek(0)
        file.write(_header(payload.digest))
    failpoint("checkpoint.written")
    drop_others(path)
    return path


def drop_others(path: Path) -> None:
    """Remove the checkpoints beside the one just written at `path`, but for the one before it.

    Raises OSError.
    """
    older = [other for other in generations(path.parent) if other.name < path.name]
    kept = {path, *older[: GENERATIONS - 1]}
    for other in generations(path.parent):
        if other not in kept:
            with contextlib.suppress(FileNotFoundError):
                other.unlink()


def load(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Return the facts and arrays of a checkpoint file.

    Raises DamagedCheckpointError, OSError.
    """
    with path.open("rb") as file:
        line = file.readline(4096)
        begin = file.tell()
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            header = json.loads(line)
            whole = header["sha256"] == digest
            known = (header["format"], header["version"]) == (FORMAT, VERSION)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedCheckpointError(f"{path}: not a checkpoint: {error}") from error
        if not known:
            raise DamagedCheckpointError(f"{path}: of another version than {VERSION}")
        if not whole:
            raise DamagedCheckpointError(f"{path}: its SHA-256 does not match what it holds")
        file.seek(begin)
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    facts: dict[str, Any] = json.loads(str(arrays.pop(_FACTS)))
    return facts, arrays


def load_newest(folder: Path) -> tuple[dict[str, Any], Arrays] | None:
    """Return the newest checkpoint that is whole, None if there is none.

    One that the disk cannot read any more counts as damaged while there is another. Raises
    OSError if the disk is to blame that there is none.
    """
    unreadable: OSError | None = None
    for path in generations(folder):
        try:
            return load(path)
        except FileNotFoundError:
            continue
        except DamagedCheckpointError as error:
            logger.warning("%s; falling back to an older checkpoint", error)
        except OSError as error:
            unreadable = error
            logger.warning("%s; falling back to an older checkpoint", error)
    if unreadable is not None:
        raise unreadable
    return None


def generations(folder: Path) -> list[Path]:
    """Return the checkpoint files in `folder`, newest first; none if there is no such folder."""
    return sorted(folder.glob(f"[0-9]*{SUFFIX}"), reverse=True)


def newest_mark(folder: Path) -> str:
    """Return what the newest checkpoint in `folder` holds, in one word: the digest that it names.

    Empty if there is none, or none that says. Raises OSError.
    """
    for path in generations(folder)[:1]:
        with path.open("rb") as file:
            line = file.readline(4096)
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            return str(json.loads(line)["sha256"])
    return ""


class _Hashing:
    """A file that is written from front to back, and the SHA-256 of what was."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _header(digest: str) -> bytes:
    return json.dumps({"format": FORMAT, "version": VERSION, "sha256": digest}).encode() + b"\n"


def _add(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)
