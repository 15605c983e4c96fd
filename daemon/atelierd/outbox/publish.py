"""Publishing a finished piece of work: images, then `result.json`, then the ledger (rule 14).

A render is finished when `result.json` lists its files and they verify. A kill between any two
steps leaves either a render that is done again from its checkpoint, to the same bytes, or one
whose manifest verifies at the restart.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from atelierd import durable
from atelierd.failpoints import failpoint
from atelierd.outbox import layout
from atelierd.outbox.errors import FolderLostError, FolderTakenError
from atelierd.outbox.folder import JobFolder, opened, opened_inside, regular_file
from atelierd.worldfaults import as_world_fault

logger = logging.getLogger(__name__)

#: Bytes of a manifest that are read; one of 1,000 renders with 10 snapshots each has about 3 MB.
LONGEST_MANIFEST = 64 * 2**20
#: Iterations that the manifest tells of each render, evenly spaced; its own receipt has them all.
#: Of many renders it tells less, down to the first and the last, to stay within LONGEST_MANIFEST.
COURSE_AT_MOST = 400
_CHUNK = 2**20

# result.json is read, changed and written; two renders of one job may finish at once.
_manifest_lock = threading.Lock()


@dataclass(frozen=True)
class PublishedFile:
    """One file in a job's folder, as `result.json` lists it."""

    name: str
    #: Bytes.
    size: int
    sha256: str


@dataclass(frozen=True)
class RenderResult:
    """What `result.json` says of one finished render."""

    #: Its place in the job, from 0.
    index: int
    title: str
    files: tuple[PublishedFile, ...]
    #: How it was made: plain JSON data.
    receipt: Mapping[str, Any]

    def as_json(self) -> str:
        """Return it on one line."""
        return json.dumps(asdict(self), ensure_ascii=False)


def publish_picture(folder: JobFolder, name: str, source: Path | bytes) -> PublishedFile:
    """Put a picture into the job's folder under `name`, in one step and durably (rule 13).

    Publishing the same again changes nothing. Raises FolderLostError, WorldFault, OSError if
    `source` is not there.
    """
    if isinstance(source, bytes):
        return _publish(folder, name, BytesIO(source))
    with as_world_fault(source), source.open("rb") as file:
        return _publish(folder, name, file)


def _publish(folder: JobFolder, name: str, source: BinaryIO) -> PublishedFile:
    with opened(folder) as here, durable.replacing(here / name) as target:
        digest = hashlib.sha256()
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            digest.update(chunk)
        size = target.tell()
    failpoint("publish.picture")
    return PublishedFile(name, size, digest.hexdigest())


def publish_page_file(folder: JobFolder, name: str, data: bytes, *, once: bool = False) -> None:
    """Put a file of the job's page into `report_files`; with `once`, only if it is not there.

    Where people have put something else under that name, the page does without. Raises
    FolderLostError, WorldFault.
    """
    with opened(folder) as here:
        try:
            with opened_inside(here, layout.REPORT_FILES) as files:
                if not (once and os.path.lexists(files / name)):
                    durable.write_bytes(files / name, data)
        except FolderTakenError as error:
            logger.warning("%s: %s", folder.path, error)


def published_file(folder: JobFolder, name: str) -> PublishedFile | None:
    """Return a file of the job's folder with size and hash, None if it is not there.

    Raises FolderLostError, WorldFault.
    """
    with opened(folder) as here:
        return _describe(here, name)


def listed_files(here: Path, job_id: str) -> list[PublishedFile]:
    """Return the files that `result.json` in an open folder lists. Raises OSError."""
    entries = _entries(here, job_id)
    return [PublishedFile(**file) for entry in entries for file in entry["files"]]


def publish_result(folder: JobFolder, result: RenderResult) -> None:
    """Enter a finished render into the job's `result.json`, beside those that are there.

    Its files are published already. Raises FolderLostError, WorldFault.
    """
    with _manifest_lock, opened(folder) as here:
        renders = {entry["title"]: entry for entry in _entries(here, folder.job_id)}
        renders[result.title] = asdict(result)
        entries = sorted(renders.values(), key=lambda entry: entry["index"])
        durable.write_bytes(here / layout.RESULT, _fitting(folder.job_id, entries))
    failpoint("publish.manifest")


def verify_manifest(folder: JobFolder, title: str) -> bool:
    """Whether `result.json` lists the render `title` and each of its files is there unchanged.

    This is what makes a render finished. Raises WorldFault if the share is not there.
    """
    try:
        with opened(folder) as here:
            for entry in _entries(here, folder.job_id):
                if entry["title"] == title:
                    return all(
                        _describe(here, file["name"]) == PublishedFile(**file)
                        for file in entry["files"]
                    )
    except FolderLostError:
        pass
    return False


def write_error(folder: JobFolder, text: str) -> None:
    """Put the reason of a failure beside the job. Raises FolderLostError, WorldFault."""
    with opened(folder) as here:
        durable.write_text(here / layout.ERROR, text)


def remove_error(folder: JobFolder) -> None:
    """Take the reason away again, for the job is retried. Raises FolderLostError, WorldFault."""
    with opened(folder) as here:
        (here / layout.ERROR).unlink(missing_ok=True)
        durable.fsync_folder(here)


def write_status(folder: JobFolder, status: Mapping[str, Any]) -> None:
    """Write how far the job is. Raises FolderLostError, WorldFault."""
    with opened(folder) as here:
        durable.write_json(here / layout.STATUS, status)


def _fitting(job_id: str, entries: Sequence[dict[str, Any]]) -> bytes:
    """Return the manifest with as much of the courses as fits into LONGEST_MANIFEST.

    What is longer could not be read again, and the next render's would be the only one in it.
    """
    longest = COURSE_AT_MOST
    while True:
        for entry in entries:
            _shorten_course(entry, longest)
        # What somebody has written into it that is no text stays the escape that it was.
        manifest = _manifest(job_id, entries).encode(errors="backslashreplace")
        if len(manifest) <= LONGEST_MANIFEST or longest <= 2:
            return manifest
        longest //= 2


def _shorten_course(entry: dict[str, Any], longest: int) -> None:
    """Keep of a render's course only so many iterations, the first and the last among them.

    Of an entry that somebody has edited, only if there is one.
    """
    receipt = entry.get("receipt")
    trace = receipt.get("trace") if isinstance(receipt, dict) else None
    if isinstance(receipt, dict) and isinstance(trace, list) and len(trace) > longest:
        last = len(trace) - 1
        receipt["trace"] = [trace[i * last // (longest - 1)] for i in range(longest)]


def _manifest(job_id: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the manifest with a line for each render.

    A thousand renders with their courses may fill it: indented, they would be twice as long and
    take ten times as long to write, after each render again.
    """
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    return f'{{"job": {json.dumps(job_id)}, "renders": [\n{lines}\n]}}\n'


def _entries(here: Path, job_id: str) -> Sequence[dict[str, Any]]:
    """Return what `result.json` lists; nothing if it is missing, damaged or another job's.

    Anybody can edit it: an entry that is not as this module writes it does not count.
    """
    with regular_file(here / layout.RESULT) as file:
        text = b"" if file is None else file.read(LONGEST_MANIFEST)
    try:
        manifest = json.loads(text)
        entries = manifest["renders"] if manifest["job"] == job_id else []
        return [entry for entry in entries if _is_entry(entry)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _is_entry(entry: Any) -> bool:
    try:
        files = [PublishedFile(**file) for file in entry["files"]]
        return (
            isinstance(entry["title"], str)
            and isinstance(entry["index"], int)
            and all(_is_name(file.name) for file in files)
            and all(isinstance(file.size, int) and isinstance(file.sha256, str) for file in files)
        )
    except (TypeError, KeyError, ValueError):
        return False


def _is_name(name: Any) -> bool:
    """Whether a file may be called so. Raises ValueError for what no disk has."""
    return isinstance(name, str) and Path(name).name == name and b"\0" not in os.fsencode(name)


def _describe(here: Path, name: str) -> PublishedFile | None:
    with regular_file(here / name) as file:
        if file is None:
            return None
        size = os.fstat(file.fileno()).st_size
        return PublishedFile(name, size, hashlib.file_digest(file, "sha256").hexdigest())
