"""Taking the folders of old jobs out of the outbox, and only what the daemon itself has put there.

A folder goes whole or stays whole: one file that is a person's, or a picture that a person has
changed, keeps all of it. What happens is logged, and told by the next morning report.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from atelierd import durable
from atelierd.failpoints import failpoint
from atelierd.ledger.errors import UnknownJobError
from atelierd.ledger.reader import LedgerReader
from atelierd.ledger.rows import JobRow
from atelierd.ledger.states import JOB_FINISHED
from atelierd.ledger.telling import about_job
from atelierd.outbox import layout
from atelierd.outbox.errors import FolderLostError
from atelierd.outbox.folder import JobFolder, folder_of, opened, opened_inside, opened_outbox
from atelierd.outbox.provenance import (
    Look,
    begin_removal,
    break_seal,
    end_removal,
    is_being_removed,
    is_own,
    known_of,
    sealed_jobs,
)
from atelierd.settings import RetentionSettings
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault

logger = logging.getLogger(__name__)

_REMOVED = "removed.jsonl"
#: Bytes of that file; then its older half is forgotten.
_LONGEST = 1 << 20
#: Files that are removed in one step.
_AT_ONCE = 20
#: What goes last but for the marker, in this order: as long as it is there, what is left can be
#: told to be ours.
_LAST = {layout.RESULT: 1, layout.ORIGINAL: 2}


@dataclass(frozen=True)
class Removed:
    """A folder that was removed."""

    at: str
    job: str
    folder: str
    why: str


def removed_between(state: Path, since: datetime, until: datetime) -> list[str]:
    """Return the folders that were removed in a time, the first one first. Raises WorldFault."""
    found = _removed(state)
    return [one.folder for one in found if since <= datetime.fromisoformat(one.at) < until]


@dataclass
class Retention:
    """Removes what is older than it is to be, and more where the outbox's disk runs full."""

    outbox: Path
    state: Path
    settings: RetentionSettings
    ledger: LedgerReader
    #: A round may take hours, and the report of one morning be written in the midst of it.
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    #: Folders that stay, as they looked then: they are not looked through again and again.
    _kept: dict[str, object] = field(default_factory=dict)

    def keep_inputs(self, longest: timedelta) -> timedelta:
        """Return how long the state folder keeps inputs: less than that if its disk runs full."""
        return min(longest, self.settings.keep_at_least) if self._is_short(self.state) else longest

    def steps(self, wall: datetime) -> Iterator[None]:
        """Remove what is due at `wall`, an aware time, a little at each step.

        Between two steps nothing is held open. Raises WorldFault, OSError.
        """
        if self.settings.keep_days is None and not self.settings.keep_free:
            return
        for job in self._candidates(wall):
            why = self._why(job, wall)
            if why is None:
                # All the others have finished later.
                return
            yield
            yield from self._remove(job, why)

    def _candidates(self, wall: datetime) -> list[JobRow]:
        """Return the finished jobs whose folders may lie in the outbox, the first to end first."""
        jobs = []
        for job_id in sealed_jobs(self.state):
            with contextlib.suppress(UnknownJobError):
                jobs.append(self.ledger.job_by_id(job_id))
        before = wall - self.settings.keep_at_least
        due = [
            (job.finished_at, job.sequence, job)
            for job in jobs
            if job.state in JOB_FINISHED and job.finished_at is not None
        ]
        return [job for at, _, job in sorted(due, key=lambda one: one[:2]) if at < before]

    def _why(self, job: JobRow, wall: datetime) -> str | None:
        days = self.settings.keep_days
        assert job.finished_at is not None
        if days is not None and job.finished_at < wall - timedelta(days=days):
            return f"it finished more than {days} days ago"
        if self._is_short(self.outbox):
            return f"the outbox's disk has less than {_amount(self.settings.keep_free)} free"
        return None

    def _is_short(self, folder: Path) -> bool:
        if not self.settings.keep_free:
            return False
        with as_world_fault(folder):
            return shutil.disk_usage(folder).free < self.settings.keep_free

    def _remove(self, job: JobRow, why: str) -> Iterator[None]:
        folder = folder_of(self.outbox, job)
        own: dict[str, Look] = {}
        try:
            yield from self._verify(folder, job, own)
            failpoint("retention.verified")
            if not self._is_still_finished(job):
                return
            begin_removal(self.state, job.id)
            yield from self._remove_files(folder, own, job)
            _remove_folder(folder)
        except FolderLostError:
            # Its owner has fetched it whole; or a kill has left the folder, empty.
            if is_being_removed(self.state, job.id):
                with contextlib.suppress(_StrangerError):
                    _remove_folder(folder)
            break_seal(self.state, job.id)
            return
        except _StrangerError as stranger:
            end_removal(self.state, job.id)
            self._keep(job, str(stranger))
            return
        except _RetriedError:
            end_removal(self.state, job.id)
            return
        break_seal(self.state, job.id)
        self._kept.pop(job.id, None)
        logger.info(
            "removed %s from the outbox: %s",
            shown(job.folder),
            why,
            extra=about_job(job, "removed"),
        )
        at = self.clock().isoformat(timespec="seconds")
        self._note(Removed(at, job.id, job.folder, why))

    def _verify(self, folder: JobFolder, job: JobRow, own: dict[str, Look]) -> Iterator[None]:
        """Fill `own` with everything in the folder. Raises _StrangerError if not all is ours."""
        with opened(folder) as here:
            looks = _looks(here)
            if self._kept.get(job.id) == looks:
                raise _StrangerError
            known = known_of(self.state, here, job, self.ledger.renders(job.id))
        names = list(looks)
        while names:
            with opened(folder) as here:
                for name in _few(names, known.pictures):
                    look = Look.of(here / name)
                    if look is None or not is_own(here, name, known):
                        self._kept[job.id] = looks
                        raise _StrangerError(name)
                    own[name] = look
            yield

    def _remove_files(self, folder: JobFolder, own: dict[str, Look], job: JobRow) -> Iterator[None]:
        """Remove the files that still look as they did when they were found to be ours.

        Between two steps the job may be retried; then the rest stays. Raises _RetriedError.
        """
        names = sorted(own, key=lambda name: (_LAST.get(name, 0), "/" not in name))
        names.remove(layout.MARKER)
        while names:
            if not self._is_still_finished(job):
                raise _RetriedError
            with opened(folder) as here:
                if strangers := _looks(here).keys() - own.keys():
                    raise _StrangerError(min(strangers))
                for name in _few(names):
                    if name in _LAST:
                        _remove_page_folder(here)
                    if Look.of(here / name) not in (own[name], None):
                        raise _StrangerError(name)
                    (here / name).unlink(missing_ok=True)
                    failpoint("retention.removed")
            yield
        if not self._is_still_finished(job):
            raise _RetriedError

    def _is_still_finished(self, job: JobRow) -> bool:
        """Whether nobody has asked for a retry meanwhile."""
        now = self.ledger.job_by_id(job.id)
        return now.state in JOB_FINISHED and now.finished_at == job.finished_at

    def _keep(self, job: JobRow, stranger: str) -> None:
        if stranger:
            logger.info(
                "%s stays in the outbox: %s in it is not as the daemon has written it",
                shown(job.folder),
                shown(stranger),
            )

    def _note(self, removed: Removed) -> None:
        path = self.state / _REMOVED
        with as_world_fault(path):
            if path.exists() and path.stat().st_size > _LONGEST:
                lines = path.read_text().splitlines(keepends=True)
                durable.write_text(path, "".join(lines[len(lines) // 2 :]))
            with path.open("a") as file:
                file.write(json.dumps(asdict(removed)) + "\n")


class _StrangerError(Exception):
    """Something in a folder is not the daemon's; without a name, it is what it was before."""


class _RetriedError(Exception):
    """Somebody wants the job tried again: it is not finished any more."""


def _looks(here: Path) -> dict[str, Look | None]:
    """Return how everything in an open folder looks, and in its `report_files`; None: no file."""
    looks: dict[str, Look | None] = {}
    for path in here.iterdir():
        if path.name == layout.REPORT_FILES and stat.S_ISDIR(path.lstat().st_mode):
            # Opened without following a link that has taken its place meanwhile.
            with opened_inside(here, layout.REPORT_FILES) as inside:
                for inner in inside.iterdir():
                    looks[f"{layout.REPORT_FILES}/{inner.name}"] = Look.of(inner)
        else:
            looks[path.name] = Look.of(path)
    return looks


def _few(names: list[str], costly: Collection[str] = ()) -> Iterator[str]:
    """Take the next few out of `names`, and none after one that is `costly`."""
    for _ in range(min(_AT_ONCE, len(names))):
        name = names.pop(0)
        yield name
        if name in costly:
            return


def _remove_page_folder(here: Path) -> None:
    """Remove the emptied `report_files`, if it is there. Raises _StrangerError, OSError."""
    with contextlib.suppress(FileNotFoundError):
        try:
            (here / layout.REPORT_FILES).rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise _StrangerError(layout.REPORT_FILES) from error


def _remove_folder(folder: JobFolder) -> None:
    """Remove the folder with nothing but its marker in it. Raises _StrangerError, WorldFault."""
    with contextlib.suppress(FolderLostError), opened(folder) as here:
        _remove_page_folder(here)
        if strangers := _looks(here).keys() - {layout.MARKER}:
            raise _StrangerError(min(strangers))
        (here / layout.MARKER).unlink()
    with opened_outbox(folder.outbox) as root:
        try:
            (root / folder.name).rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise _StrangerError("something") from error
        durable.fsync_folder(root)


def _removed(state: Path) -> Iterator[Removed]:
    path = state / _REMOVED
    try:
        with as_world_fault(path):
            lines = path.read_text().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        # The last one may have been cut off by a kill.
        with contextlib.suppress(ValueError, TypeError):
            yield Removed(**json.loads(line))


def _amount(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
