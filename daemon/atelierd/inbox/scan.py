"""What lies in the inbox right now: the truth that events only hint at (rule 6).

The walk looks at names and at what each directory entry is, takes the status of job files only,
and opens nothing but folders; so FIFOs cannot block it and a share full of pictures costs little.
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from atelierd.errors import WorldFault
from atelierd.inbox.handles import enter, opened_folder
from atelierd.inbox.jobid import JOB_ID
from atelierd.inbox.readiness import identity_of
from atelierd.jobs.ignored import is_ignored, is_job_name
from atelierd.jobs.listing import folded
from atelierd.jobs.paths import FileIdentity
from atelierd.worldfaults import as_world_fault

#: Folders inside each other that are looked into.
DEEPEST = 24
#: Where accepted job files lie, relative to the inbox, until they are in the ledger:
#: `taken/<job id>/<the job file's path>`.
TAKEN = PurePosixPath(".atelierd/taken")
#: Ignored names under which a file may be written before it is renamed into place (rule 2).
#: The others that are ignored never become a file of another name.
_TEMPORARY = re.compile(
    r"(?!\._|\.DS_Store$|\.nfs|\.smbdelete|\.atelierd)"
    r"([.~].*|.*~|.*\.(part|partial|tmp|crdownload|download|filepart))",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job file in the inbox, or one that was taken from it and is not in the ledger yet."""

    #: Its path relative to the inbox, as the person put it there.
    source: str
    identity: FileIdentity
    #: The id under which it was taken; None while it lies where the person put it.
    job_id: str | None = None
    #: Where it lies now, relative to the inbox.
    location: PurePosixPath = field(init=False, repr=False, compare=False)
    #: The folder, relative to the inbox, in which it was put and from which its paths start.
    folder: PurePosixPath = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made once: a scan of thousands of waiting files asks for them again and again.
        source = PurePosixPath(self.source)
        location = source if self.job_id is None else TAKEN / self.job_id / source
        object.__setattr__(self, "location", location)
        object.__setattr__(self, "folder", source.parent)


@dataclass
class Inventory:
    """What a walk through the inbox found. Folders are relative to the inbox, `` is itself."""

    jobs: list[FoundJob] = field(default_factory=list)
    #: Ids of claims that hold no job file: killed before the rename, or after the removal.
    hollow: list[str] = field(default_factory=list)
    #: Path and reason of what looks like a job and cannot be one.
    passed_over: dict[str, str] = field(default_factory=dict)
    #: The names in each folder, folded by `folded`.
    names: dict[str, set[str]] = field(default_factory=dict)
    #: The identities in each folder of files whose name is a temporary one.
    temporary: dict[str, set[FileIdentity]] = field(default_factory=lambda: defaultdict(set))

    def surely_missing(self, path: PurePosixPath) -> bool:
        """Whether nothing by this name, or one that a lookup may take for it, was in the inbox.

        False if the walk cannot tell. Answers for thousands of waiting jobs without a system call.
        """
        folder = ""
        for part in path.parts:
            names = self.names.get(folder)
            if names is None:
                return False
            if folded(part) not in names:
                return True
            folder = f"{folder}/{part}" if folder else part
        return False


def is_temporary_name(name: str) -> bool:
    """Whether a writer may use this name for a file that is not complete yet."""
    return _TEMPORARY.fullmatch(name) is not None


def walk(inbox: Path) -> Inventory:
    """Look through the inbox and the job files taken from it.

    A folder inside that may not be read is passed over, with the reason. Raises WorldFault if
    the share cannot be read, OSError if the inbox is not there.
    """
    inventory = Inventory()
    with as_world_fault(inbox):
        with opened_folder(inbox, PurePosixPath()) as root:
            _look_into(root, "", inventory)
        inventory.jobs.sort(key=lambda job: job.source)
        _take_stock_of_claims(inbox, inventory)
    return inventory


def _look_into(descriptor: int, folder: str, inventory: Inventory) -> None:
    names = inventory.names[folder] = set()
    with os.scandir(descriptor) as entries:
        for entry in entries:
            names.add(folded(entry.name))
            path = f"{folder}/{entry.name}" if folder else entry.name
            if is_ignored(entry.name):
                if is_temporary_name(entry.name) and entry.is_file(follow_symlinks=False):
                    status = _status(entry)
                    if status is not None:
                        inventory.temporary[folder].add(identity_of(status))
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_job_name(entry.name):
                _take_down(entry, path, inventory)
            if is_folder:
                _look_below(descriptor, entry.name, path, inventory)


def _take_down(entry: os.DirEntry[str], path: str, inventory: Inventory) -> None:
    """Note a directory entry whose name is a job file's."""
    status = _status(entry)
    if status is None:
        return
    if not stat.S_ISREG(status.st_mode):
        inventory.passed_over[path] = f"is {_kind(status.st_mode)}, not a file: it is passed over"
    elif not _is_text(path):
        inventory.passed_over[path] = "has a name that is not in UTF-8: rename it"
    else:
        inventory.jobs.append(FoundJob(path, identity_of(status)))


def _look_below(above: int, name: str, path: str, inventory: Inventory) -> None:
    if not _is_text(path):
        inventory.passed_over[path] = "is a folder whose name is not in UTF-8: rename it"
        return
    if path.count("/") >= DEEPEST:
        inventory.passed_over[path] = f"is a folder more than {DEEPEST} deep: it is passed over"
        return
    try:
        descriptor = enter(above, name)
        try:
            _look_into(descriptor, path, inventory)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError:
        inventory.passed_over[path] = "is a folder that the daemon may not read: it is passed over"


def _take_stock_of_claims(inbox: Path, inventory: Inventory) -> None:
    """Put the job files that were taken before the others: they have come first."""
    claims = []
    try:
        with opened_folder(inbox, TAKEN) as taken:
            for job_id in sorted(os.listdir(taken)):  # noqa: PTH208 - by descriptor
                if JOB_ID.fullmatch(job_id):
                    claims += _claimed(taken, job_id, inventory)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise WorldFault(
            f"{inbox / TAKEN} is a file or a link where atelierd keeps a folder; remove it"
        ) from error
    inventory.jobs[:0] = claims


def _claimed(taken: int, job_id: str, inventory: Inventory) -> list[FoundJob]:
    """Return the job files of one claim, mostly one; note a claim that has none."""
    try:
        files = list(_files_below(taken, job_id))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        # Whoever may write to the inbox can do this to a claim; the others go on.
        inventory.passed_over[str(TAKEN / job_id)] = (
            "is a job that was taken and that the daemon may not read: let its user read and write "
            "all of that folder"
        )
        return []
    if not files:
        inventory.hollow.append(job_id)
    return [FoundJob(source, identity, job_id) for source, identity in files]


def _files_below(
    above: int, name: str, folder: str = "", depth: int = 0
) -> Iterator[tuple[str, FileIdentity]]:
    """Give path and identity of the job files below a claim, as deep as one can have lain."""
    descriptor = enter(above, name)
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if depth < DEEPEST:
                        yield from _files_below(descriptor, entry.name, path, depth + 1)
                elif is_job_name(entry.name) and entry.is_file(follow_symlinks=False):
                    yield path, identity_of(entry.stat(follow_symlinks=False))
    finally:
        os.close(descriptor)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the entry's own status, None if it has just gone."""
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISFIFO(mode):
        return "a FIFO"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _is_text(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
