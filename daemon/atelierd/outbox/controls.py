"""Control files: `cancel`, `hold`, `release` and `retry`, put into a job's folder by people.

They are for those who have only the share. The daemon does what the file's name says, writes
what came of it into `answer.txt` and deletes the file. Its content is never read.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from atelierd import durable
from atelierd.failpoints import failpoint
from atelierd.ledger.states import Action
from atelierd.outbox import layout
from atelierd.outbox.folder import JobFolder, all_as_world_fault, opened

#: Windows hides `.txt` and adds it to what people type, sometimes over what they have typed.
_NAME = re.compile(rf"({'|'.join(Action)})(\.txt){{0,2}}", re.IGNORECASE)

#: A folder that is gone, replaced by something else, or closed to us says nothing of the share.
_ONLY_THIS_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ESTALE)

#: How long after a folder's last change it is still listed: clocks of file systems are coarse.
SETTLE = timedelta(seconds=5)
#: How often it is listed in any case: some file systems do not change a folder's time.
RELIST = timedelta(minutes=10)


@dataclass(frozen=True)
class Control:
    """One control file that waits for its answer."""

    folder: JobFolder
    action: Action
    #: Name of the file as it was typed.
    name: str
    #: Inode and modification time: another file of that name asks anew.
    look: tuple[int, int]


@dataclass
class _Seen:
    mtime_ns: int
    since: float
    listed: float | None


def action_of(name: str) -> Action | None:
    """Return what a file of this name asks for, None if it is no control file."""
    match = _NAME.fullmatch(name)
    return Action(match[1].lower()) if match else None


class ControlScanner:
    """Looks for control files; of folders that have not changed it asks only the time.

    `monotonic` gives seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[Path, _Seen] = {}
        self._undeletable: set[tuple[Path, int, int]] = set()

    def scan(self, folders: Iterable[JobFolder]) -> list[Control]:
        """Return the control files in `folders`, in each folder the oldest first.

        Folders that are not there are passed over. Raises WorldFault if the share fails.
        """
        now = self._monotonic()
        found: list[Control] = []
        seen: dict[Path, _Seen] = {}
        for folder in folders:
            with all_as_world_fault(folder.path):
                try:
                    memory = self._memory(folder, now)
                    controls = [] if self._is_quiet(memory, now) else self._list(folder)
                except OSError as error:
                    if error.errno in _ONLY_THIS_FOLDER:
                        continue
                    raise
            if controls:
                # Not remembered as listed: they are found again until they are answered.
                found += controls
            else:
                seen[folder.path] = memory
        self._seen = seen
        return found

    def _memory(self, folder: JobFolder, now: float) -> _Seen:
        mtime_ns = folder.path.lstat().st_mtime_ns
        memory = self._seen.get(folder.path)
        if memory is None or memory.mtime_ns != mtime_ns:
            return _Seen(mtime_ns, since=now, listed=None)
        return memory

    def _is_quiet(self, memory: _Seen, now: float) -> bool:
        """Say whether the folder need not be listed now; if it must, take it as listed."""
        if memory.listed is not None:
            settled = memory.listed - memory.since >= SETTLE.total_seconds()
            if settled and now - memory.listed < RELIST.total_seconds():
                return True
        memory.listed = now
        return False

    def _list(self, folder: JobFolder) -> list[Control]:
        entries = []
        descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with os.scandir(descriptor) as listing:
                for entry in listing:
                    action = action_of(entry.name)
                    if action is None or not entry.is_file(follow_symlinks=False):
                        continue
                    status = entry.stat(follow_symlinks=False)
                    look = (status.st_ino, status.st_mtime_ns)
                    if (folder.path, *look) not in self._undeletable:
                        entries.append((status.st_mtime_ns, entry.name, action, look))
        finally:
            os.close(descriptor)
        return [Control(folder, action, name, look) for _, name, action, look in sorted(entries)]

    def answer(self, control: Control, text: str) -> None:
        """Say in `answer.txt` what was done, then delete the control file.

        A kill in between has the action done again, which changes nothing more. A file that
        cannot be deleted is left and not obeyed a second time. Raises FolderLostError, WorldFault.
        """
        with opened(control.folder) as here:
            durable.write_text(here / layout.ANSWER, f"{control.action}: {text}\n")
            failpoint("control.answered")
            file = here / control.name
            try:
                status = file.lstat()
            except FileNotFoundError:
                return
            try:
                file.unlink()
            except FileNotFoundError:
                return
            except OSError:
                # A program on a client may hold it open; that is no reason to pause the queue.
                self._undeletable.add((control.folder.path, status.st_ino, status.st_mtime_ns))
                return
            durable.fsync_folder(here)
