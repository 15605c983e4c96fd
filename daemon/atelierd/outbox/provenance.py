"""What the daemon itself has put into a job's folder, so that it may take it away again.

People put things into these folders, and change what lies there. A picture is the daemon's if its
bytes are those that were published: by `result.json`, or by the notes of this module, which has
those of unfinished renders, too. The pages beside them are the daemon's if they look as they did
when the finished job was shown; that is sealed here. Both lie in the state folder, where nobody
else writes. Whatever cannot be told is not the daemon's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atelierd import durable
from atelierd.jobs.frozen import job_file_path
from atelierd.jobs.schema import Precision
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.outbox import layout
from atelierd.outbox.folder import JobFolder, opened, regular_file
from atelierd.outbox.overview import job_status
from atelierd.outbox.publish import PublishedFile, listed_files
from atelierd.outbox.reasons import error_text
from atelierd.outbox.rerun import rerun_file
from atelierd.worldfaults import as_world_fault

_SEALS = "seals"
_NOTES = "published.jsonl"
#: What is written anew whenever the job is shown, so that it is the daemon's right after that.
_REWRITTEN = (layout.REPORT,)
#: Texts that follow from the ledger. How they are worded is another version's to change.
_WORDED = (layout.STATUS, layout.ERROR)
#: What is written once.
_KEPT = (layout.RESULT, layout.SHEET)
_LIVE = f"{layout.REPORT_FILES}/live.js"
_PAGE_FILE = re.compile(
    r"live\.js|(content|style)-[0-9a-f]{16}(-small)?\.jpg"
    r"|\d{4,}-(receipt\.json|report\.html|(now|snapshot-\d{6,})(-small)?\.jpg)"
)
_ANSWER = re.compile(rb"(cancel|hold|release|retry): [^\n]*\n")
_LARGEST_TEXT = 1 << 26


@dataclass(frozen=True)
class Look:
    """How a file looks from outside; another one under its name, or a changed one, differs."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Look | None:
        """Return how a regular file looks; None if there is none. Raises OSError."""
        try:
            status = path.lstat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Seal:
    """How the pages of a finished job looked when the daemon had just shown it."""

    #: Which end of the job this is; it may be retried and end again.
    finished: str
    files: Mapping[str, Look]
    #: Nothing else in `report_files` was written later; nanoseconds of the share's own clock.
    newest_ns: int

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        files = {name: [look.size, look.mtime_ns] for name, look in self.files.items()}
        return {"finished": self.finished, "newest_ns": self.newest_ns, "files": files}


def note_published(state: Path, job_id: str, file: PublishedFile) -> None:
    """Note a picture that was put into the job's folder. Raises WorldFault, OSError."""
    path = job_file_path(state, job_id).with_name(_NOTES)
    line = json.dumps([file.name, file.size, file.sha256])
    with as_world_fault(path), path.open("a") as notes:
        notes.write(f"{line}\n")


def noted_pictures(state: Path, job_id: str) -> Mapping[str, Collection[PublishedFile]]:
    """Return by name the pictures that were put into the job's folder. Raises WorldFault."""
    with as_world_fault(state):
        return _by_name(_noted(state, job_id))


def sealed_jobs(state: Path) -> list[str]:
    """Return the ids of the jobs whose folders are sealed."""
    return list({path.stem for path in (state / _SEALS).glob("*.*")})


def break_seal(state: Path, job_id: str) -> None:
    """Forget a folder that is not there any more. Raises OSError."""
    for path in (_seal_path(state, job_id), _removal_path(state, job_id)):
        path.unlink(missing_ok=True)


def begin_removal(state: Path, job_id: str) -> None:
    """Note, before the first file goes, that a folder is being removed. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        _seal_path(state, job_id).rename(_removal_path(state, job_id))
        durable.fsync_folder(state / _SEALS)


def end_removal(state: Path, job_id: str) -> None:
    """Note that a folder stays after all. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        _removal_path(state, job_id).rename(_seal_path(state, job_id))


def is_being_removed(state: Path, job_id: str) -> bool:
    """Whether a folder, or what a kill has left of it, is to go: nothing is shown there any more.

    Raises OSError.
    """
    return _removal_path(state, job_id).exists()


def is_sealed(state: Path, job_id: str) -> bool:
    """Whether it is known what is the daemon's in a job's folder.

    Of a job that was shown before there were seals nobody knows it any more. Raises OSError.
    """
    return _seal_path(state, job_id).exists()


def seal(state: Path, folder: JobFolder, job: JobRow, renders: Sequence[RenderRow]) -> None:
    """Remember how the pages of a finished job look that were shown just now.

    A `job.yaml` that a person has changed is not among them: it is not written anew.

    Raises FolderLostError, WorldFault.
    """
    path = _seal_path(state, job.id)
    with as_world_fault(path):
        before = _read_seal(path)
    finished = str(job.finished_at)
    if before is not None and before.finished != finished:
        before = None
    with opened(folder) as here:
        names = (*_REWRITTEN, *_pages(renders), *(_KEPT if before is None else ()))
        looks = {name: look for name in names if (look := Look.of(here / name)) is not None}
        look = Look.of(here / layout.JOB_FILE)
        was = None if before is None else before.files.get(layout.JOB_FILE)
        if look is not None and (look == was or _is_rerun(here, job, renders)):
            looks[layout.JOB_FILE] = look
        worded = {
            name: look
            for name in _WORDED
            if (look := Look.of(here / name)) is not None
            if _is_text_of_ours(here / name, job, renders)
        }
    kept = (
        {} if before is None else {one: before.files[one] for one in _KEPT if one in before.files}
    )
    times = [look.mtime_ns for look in looks.values()]
    looks |= worded
    # What is shown again later is known by its look alone.
    newest = max(times, default=0) if before is None else before.newest_ns
    new = Seal(finished, looks | kept, newest)
    if new != before:
        with as_world_fault(path):
            path.parent.mkdir(exist_ok=True)
            durable.write_json(path, new.as_json())


@dataclass(frozen=True)
class Known:
    """What is known of one job's folder."""

    job: JobRow
    renders: Sequence[RenderRow]
    seal: Seal | None
    pictures: Mapping[str, Collection[PublishedFile]]


def known_of(state: Path, here: Path, job: JobRow, renders: Sequence[RenderRow]) -> Known:
    """Return what is known of the folder of a finished job, which is open. Raises OSError."""
    found = _read_seal(_seal_path(state, job.id)) or _read_seal(_removal_path(state, job.id))
    if found is not None and found.finished != str(job.finished_at):
        found = None
    pictures = _by_name((*listed_files(here, job.id), *_noted(state, job.id)))
    return Known(job, renders, found, pictures)


def is_own(here: Path, name: str, known: Known) -> bool:
    """Whether the file `name` in the open folder of a job is the daemon's, unchanged.

    One in `report_files` has that before its name. Raises OSError.
    """
    folder, _, inner = name.rpartition("/")
    look = Look.of(here / name)
    if look is None or known.seal is None:
        return False
    if folder:
        if folder != layout.REPORT_FILES or _PAGE_FILE.fullmatch(inner) is None:
            return False
        return look.mtime_ns <= known.seal.newest_ns or look == known.seal.files.get(name)
    if name in known.pictures:
        return _describe(here / name, name) in known.pictures[name]
    return look == known.seal.files.get(name) or _is_text_of_ours(
        here / name, known.job, known.renders
    )


def _pages(renders: Sequence[RenderRow]) -> Sequence[str]:
    """Return the names in `report_files` that may be written anew when a job is shown."""
    pages = (layout.of_render(row.index, layout.REPORT) for row in renders)
    return [_LIVE, *(f"{layout.REPORT_FILES}/{page}" for page in pages)]


def _is_rerun(here: Path, job: JobRow, renders: Sequence[RenderRow]) -> bool:
    """Whether the `job.yaml` in an open folder is as the daemon writes it. Raises OSError."""
    with regular_file(here / layout.JOB_FILE) as file:
        data = b"" if file is None else file.read(_LARGEST_TEXT)
    every: tuple[Precision | None, ...] = (None, "fp32", "tf32", "bf16")
    return bool(renders) and any(data == rerun_file(job, renders, one) for one in every)


def _is_text_of_ours(path: Path, job: JobRow, renders: Sequence[RenderRow]) -> bool:
    """Whether a file is one of the small texts that follow from the ledger, and unchanged."""
    with regular_file(path) as file:
        data = b"" if file is None else file.read(_LARGEST_TEXT)
    match path.name:
        case layout.MARKER:
            return data == f"{job.id}\n".encode()
        case layout.ORIGINAL:
            return hashlib.sha256(data).hexdigest() == job.job_file_sha256
        case layout.STATUS:
            try:
                return bool(json.loads(data) == job_status(job, renders))
            except (ValueError, RecursionError):
                return False
        case layout.ERROR:
            return data == error_text(job, renders).encode()
        case layout.ANSWER:
            return _ANSWER.fullmatch(data) is not None
    return False


def _by_name(files: Iterable[PublishedFile]) -> Mapping[str, Collection[PublishedFile]]:
    named: dict[str, set[PublishedFile]] = {}
    for file in files:
        named.setdefault(file.name, set()).add(file)
    return named


def _noted(state: Path, job_id: str) -> Iterator[PublishedFile]:
    try:
        lines = job_file_path(state, job_id).with_name(_NOTES).read_text().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield PublishedFile(*json.loads(line))
        except (ValueError, TypeError):
            continue  # cut off by a kill


def _describe(path: Path, name: str) -> PublishedFile | None:
    with regular_file(path) as file:
        if file is None:
            return None
        size = os.fstat(file.fileno()).st_size
        return PublishedFile(name, size, hashlib.file_digest(file, "sha256").hexdigest())


def _seal_path(state: Path, job_id: str) -> Path:
    return state / _SEALS / f"{job_id}.json"


def _removal_path(state: Path, job_id: str) -> Path:
    return state / _SEALS / f"{job_id}.removal"


def _read_seal(path: Path) -> Seal | None:
    """Return a seal; None if there is none, or it is none of ours."""
    try:
        facts = json.loads(path.read_bytes())
        files = {name: Look(*look) for name, look in facts["files"].items()}
        return Seal(facts["finished"], files, facts["newest_ns"])
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None
