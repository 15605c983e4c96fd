"""A job's folder in the outbox: made once, recognized by its marker, written by descriptor.

People can move, delete or replace anything on the share at any moment. So each use opens the
folder without following a symbolic link, checks that the marker in it names the job, and then
works through that descriptor: what is written can land in no other place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from atelierd import durable
from atelierd.errors import WorldFault
from atelierd.failpoints import failpoint
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.outbox import layout
from atelierd.outbox.errors import FolderLostError, FolderTakenError
from atelierd.share import Role, check_share
from atelierd.worldfaults import as_world_fault

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_LONGEST_ID = 256
#: What opening a name says when it is missing, a symbolic link, a socket, or not a folder.
_NO_SUCH_FILE = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR)
#: What a rename of a folder says where something that is no empty folder has its name already.
_SOMETHING_THERE = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


@dataclass(frozen=True)
class JobFolder:
    """The folder of one job: where it is, and whose it must be."""

    outbox: Path
    name: str
    job_id: str

    @property
    def path(self) -> Path:
        """Its path, for messages; writing goes through `opened`."""
        return self.outbox / self.name


def folder_of(outbox: Path, job: JobRow) -> JobFolder:
    """Return the folder that belongs to `job`, whether it is there or not."""
    return JobFolder(outbox, job.folder, job.id)


def folder_exists(outbox: Path, name: str) -> bool:
    """Whether anything of that name lies in the outbox, or is to lie there. Raises WorldFault."""
    if name.casefold() in layout.RESERVED:
        return True
    # Below a share that is not mounted there is nothing, which says nothing of what is there.
    with opened_outbox(outbox) as root:
        try:
            (root / name).lstat()
        except FileNotFoundError:
            return False
    return True


def place_job(outbox: Path, ledger: Ledger, job: JobRow, job_file: bytes) -> JobFolder:
    """Open the job's folder, under another name if somebody's own lies there (rule 9).

    Raises WorldFault if the share is not there or cannot be written.
    """
    while True:
        try:
            return open_job_folder(outbox, job, job_file)
        except FolderTakenError:
            job = ledger.move_job(job.id, lambda name: folder_exists(outbox, name))


def open_job_folder(outbox: Path, job: JobRow, job_file: bytes) -> JobFolder:
    """Make the job's folder with its marker and the job file as it was dropped, or find it made.

    It appears in one step, complete, so that a kill leaves either nothing or the whole of it.
    Raises FolderTakenError if something that is not this job's lies there, WorldFault if the share
    is not there or cannot be written.
    """
    folder = folder_of(outbox, job)
    with opened_outbox(outbox) as root, all_as_world_fault(folder.path):
        if not os.path.lexists(root / folder.name):
            _make(root, folder, job_file)
        try:
            with _ours(root, folder) as here:
                if not os.path.lexists(here / layout.ORIGINAL):
                    durable.write_bytes(here / layout.ORIGINAL, job_file)
        except FolderLostError as error:
            raise FolderTakenError(
                f"{folder.path} is there already and is not this job's folder"
            ) from error
    return folder


def _make(root: Path, folder: JobFolder, job_file: bytes) -> None:
    staged = root / f"{durable.TEMPORARY_PREFIX}{folder.job_id}"
    staged.mkdir(exist_ok=True)
    with _descriptor(staged, _FOLDER) as descriptor:
        inside = _through(descriptor)
        # People put control files into it.
        _open_to_all(descriptor, root)
        durable.write_bytes(inside / layout.ORIGINAL, job_file)
        durable.write_text(inside / layout.MARKER, f"{folder.job_id}\n")
    failpoint("folder.staged")
    # Onto an empty folder that appeared just now this succeeds; onto anything else it fails.
    try:
        staged.rename(root / folder.name)
    except OSError as error:
        if error.errno not in _SOMETHING_THERE:
            raise
    durable.fsync_folder(root)
    failpoint("folder.made")


@contextlib.contextmanager
def opened_outbox(outbox: Path) -> Iterator[Path]:
    """Open the outbox, sure that it is the real mount and not the empty folder below it.

    Gives a path that stays the same folder during the block. Raises WorldFault if the share is
    gone or anything in the block meets an OSError.
    """
    with all_as_world_fault(outbox):
        try:
            descriptor = os.open(outbox, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            check_share(outbox, Role.OUTBOX)  # has the words for it
            raise
        try:
            check_share(outbox, Role.OUTBOX)
            if not os.path.samestat(outbox.stat(), os.fstat(descriptor)):
                raise WorldFault(f"{outbox}: the share was mounted or unmounted just now")
            yield _through(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def opened(folder: JobFolder) -> Iterator[Path]:
    """Open a job's folder for work; gives a path that stays the same folder during the block.

    Raises FolderLostError if it is gone or not the job's any more, WorldFault if the share is
    gone or anything in the block meets an OSError.
    """
    with (
        opened_outbox(folder.outbox) as root,
        all_as_world_fault(folder.path),
        _ours(root, folder) as here,
    ):
        yield here


@contextlib.contextmanager
def opened_inside(here: Path, name: str) -> Iterator[Path]:
    """Open the folder `name` in an open folder, made where it is missing; no link is followed.

    Raises FolderTakenError if something else has that name, OSError.
    """
    try:
        (here / name).mkdir()
        made = True
    except FileExistsError:
        made = False
    try:
        descriptor = os.open(here / name, _FOLDER)
    except OSError as error:
        if error.errno not in _NO_SUCH_FILE:
            raise
        raise FolderTakenError(f"{name} is there already and is no folder") from error
    try:
        if made:
            _open_to_all(descriptor, here)
        yield _through(descriptor)
    finally:
        os.close(descriptor)


def _open_to_all(descriptor: int, above: Path) -> None:
    """Let whoever may write to the folder `above` write to the one that is open, too.

    Some shares keep no modes of their own and refuse to change them.
    """
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, stat.S_IMODE(above.stat().st_mode))


def names_in(folder: Path) -> frozenset[str]:
    """Return the names in a folder as the daemon writes them, its accents composed.

    Some file systems, macOS' among them, take accents apart in what they list. Raises OSError.
    """
    return frozenset(unicodedata.normalize("NFC", path.name) for path in folder.iterdir())


@contextlib.contextmanager
def regular_file(path: Path) -> Iterator[BufferedReader | None]:
    """Open a regular file for reading; gives None if there is none of that name.

    A symbolic link, FIFO, socket, device or folder counts as none, and none of them blocks.
    Raises OSError if the share fails.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in _NO_SUCH_FILE:
            raise
        yield None
        return
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                yield file
        else:
            yield None
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _ours(root: Path, folder: JobFolder) -> Iterator[Path]:
    try:
        descriptor = os.open(root / folder.name, _FOLDER)
    except OSError as error:
        if error.errno not in _NO_SUCH_FILE:
            raise
        raise FolderLostError(f"{folder.path} is not there any more") from error
    try:
        here = _through(descriptor)
        with regular_file(here / layout.MARKER) as file:
            marker = b"" if file is None else file.read(_LONGEST_ID)
        if marker != f"{folder.job_id}\n".encode():
            raise FolderLostError(
                f"{folder.path} is not the folder of job {folder.job_id}: its {layout.MARKER} is "
                "missing or says something else"
            )
        yield here
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def all_as_world_fault(path: Path) -> Iterator[None]:
    """Every OSError in the outbox is the world's, named or not; it must not end the loop."""
    try:
        with as_world_fault(path):
            yield
    except OSError as error:
        raise WorldFault(
            f"{path}: {error.strerror}: it cannot be written; see what lies there under that name"
        ) from error


@contextlib.contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _through(descriptor: int) -> Path:
    # The kernel resolves this to the open folder itself, whatever its path has become meanwhile.
    return Path(f"/proc/self/fd/{descriptor}")
