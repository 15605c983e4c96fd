"""Taking a job over: from a file that people can touch to a row in the ledger (rules 7 to 9).

The steps, and what a restart finds if the process is killed after each:

1. *claim*: the job file is renamed to `.atelierd/taken/<job id>/` in the inbox, in one step. From
   here on the id is fixed and lies on the disk with the file: the next scan finds the claim and
   goes on with it, as it would with a job file in the inbox.
2. *freeze*: the pictures, then the job file, are copied into the state folder. Copies are named
   by their hash, and by the job's id; made again, they are the same.
3. *record*: one transaction of the ledger; an id that is recorded already stays as it is.
4. *release*: the claim is removed. One that is still there, and whose id the ledger knows, too.

A claim that turns out not to be ready (its pictures vanished or were changed just then) stays
claimed and waits like any other job. It is not put back: a put-back file could meet a new one of
its name, and a kill in the midst of it could leave two. A job file that cannot be used goes the
same way and becomes a failed job, with the reason.

Exactly once holds for one state folder. If a daemon dies between steps 3 and 4 and another host,
with a ledger of its own, takes the inbox over, the job runs on both: that is better than losing it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from atelierd import durable
from atelierd.errors import AtelierError, JobFault, NotReadyError
from atelierd.failpoints import failpoint
from atelierd.inbox.handles import HELD, enter, opened_folder, read_whole, sync_folder
from atelierd.inbox.inputs import InputStore
from atelierd.inbox.jobid import new_job_id
from atelierd.inbox.readings import Files
from atelierd.inbox.scan import DEEPEST, TAKEN, FoundJob
from atelierd.inbox.waiting import LARGEST_JOB_FILE, Candidate, bug
from atelierd.jobs.expand import MOST_RENDERS, RenderSpec, expand, inputs
from atelierd.jobs.frozen import (
    FrozenImage,
    FrozenRegion,
    FrozenRender,
    FrozenStyle,
    job_file_path,
)
from atelierd.jobs.paths import Root
from atelierd.jobs.placed import told
from atelierd.jobs.presets import load_preset
from atelierd.jobs.reader import read_job
from atelierd.jobs.resolved import DEFAULT_PRESET, RenderSettings, resolve
from atelierd.jobs.schema import JobFile
from atelierd.jobs.timing import wishes_of
from atelierd.ledger.errors import UnknownJobError
from atelierd.ledger.ledger import Ledger
from atelierd.ledger.rows import FrozenInput, NewJob, NewRender
from atelierd.schedule.timetable import NO_WISHES, Timetable
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault

logger = logging.getLogger(__name__)

_ALWAYS = Timetable()


class ImmovableError(NotReadyError):
    """A job file cannot be taken from where it lies until a person changes something."""


@dataclass(frozen=True)
class Accepted:
    """A job that is in the ledger now."""

    job_id: str
    #: Path of its job file relative to the inbox.
    source: str
    renders: int
    #: Why it was refused; None if it was not.
    failure: str | None


class Acceptance:
    """Accepts jobs of one inbox into one ledger."""

    def __init__(
        self,
        inbox: Path,
        state: Path,
        ledger: Ledger,
        store: InputStore,
        *,
        presets: Sequence[Path],
        folder_taken: Callable[[str], bool],
        most_renders: int = MOST_RENDERS,
        timetable: Timetable = _ALWAYS,
    ) -> None:
        """`presets`: folders, the first one first; `folder_taken`: whether the outbox has it."""
        self._inbox = inbox
        self._state = state
        self._ledger = ledger
        self._store = store
        self._presets = presets
        self._folder_taken = folder_taken
        self._most_renders = most_renders
        self._timetable = timetable
        self._root = Root(inbox)

    def accept(
        self, candidate: Candidate, wall: datetime, tell: Callable[[Accepted], None]
    ) -> None:
        """Bring a job into the ledger, unless it is there already. `wall` is in UTC.

        `tell` is told as soon as it is there: what fails afterwards takes nothing of that back.
        Raises NotReadyError if it is not ready after all (ImmovableError if a person has to act),
        ConfigError if a preset is broken, WorldFault; called again later, it goes on.
        """
        job = candidate.job
        if job.job_id is None:
            job = self.claim(job, new_job_id(job.source, wall, self._used))
        assert job.job_id is not None
        if not self._recorded(job.job_id):
            new = self._freeze(replace(candidate, job=job), job.job_id, wall)
            failpoint("accept.frozen")
            self._ledger.add_job(new, self._folder_taken)
            failpoint("accept.recorded")
            tell(Accepted(job.job_id, job.source, len(new.renders), new.failure))
        self.release(job)

    def claim(self, job: FoundJob, job_id: str) -> FoundJob:
        """Step 1: move the job file into the folder of its id."""
        name = job.location.name
        target = (TAKEN / job_id / job.source).parent
        with as_world_fault(self._inbox), opened_folder(self._inbox, target, make=True) as there:
            failpoint("accept.folder_made")
            try:
                with opened_folder(self._inbox, job.folder) as here:
                    os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)
                    failpoint("accept.renamed")
                    sync_folder(there)
                    sync_folder(here)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise NotReadyError("has gone") from error
            except PermissionError as error:
                raise ImmovableError(
                    "cannot be moved by the daemon; let its user write in the file's folder"
                ) from error
            except OSError as error:
                if error.errno in HELD:
                    raise NotReadyError("is held by another program") from error
                if error.errno == errno.EXDEV:
                    raise ImmovableError(
                        "lies on another disk than the inbox; put it into the inbox itself"
                    ) from error
                raise
        failpoint("accept.claimed")
        return replace(job, job_id=job_id)

    def release(self, job: FoundJob) -> None:
        """Step 4: remove the claim of a job that is in the ledger."""
        with as_world_fault(self._inbox):
            try:
                with opened_folder(self._inbox, job.location.parent) as folder:
                    os.unlink(job.location.name, dir_fd=folder)
                    sync_folder(folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                # The next scan finds the claim again, and comes back to this step.
                if error.errno not in HELD:
                    raise
            failpoint("accept.released")
            if job.job_id is not None:
                self.tidy(job.job_id)
        failpoint("accept.ended")

    def tidy(self, job_id: str) -> None:
        """Remove the empty folders of a claim; what is not empty stays."""
        with (
            as_world_fault(self._inbox),
            contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError),
            opened_folder(self._inbox, TAKEN) as taken,
        ):
            _remove_empty(taken, job_id)

    def _used(self, job_id: str) -> bool:
        return (
            job_file_path(self._state, job_id).parent.exists()
            or (self._inbox / TAKEN / job_id).exists()
            or self._recorded(job_id)
        )

    def _recorded(self, job_id: str) -> bool:
        try:
            return self._ledger.job(job_id).id == job_id
        except UnknownJobError:
            return False

    def _freeze(self, candidate: Candidate, job_id: str, wall: datetime) -> NewJob:
        """Step 2: copy everything into the state folder and return what is to be recorded."""
        found = candidate.job
        data = self._read(found)
        job: JobFile | None = None
        frozen, wishes = _Frozen(), NO_WISHES
        failure = candidate.gave_up
        if failure is None:
            try:
                job = read_job(data, found.source)
                wishes = wishes_of(job, self._timetable, wall - candidate.waited)
                frozen = self._freeze_renders(job, found.folder, candidate.images)
            except JobFault as fault:
                failure = str(fault) if job is None else told(fault, data, found.source)
            except (AtelierError, OSError):
                raise
            except Exception as error:
                # A bug of ours must not end the daemon at each start, for one file (rule 18).
                logger.exception("%s: not foreseen", shown(found.source))
                failure = bug(found.source, error)
        path = job_file_path(self._state, job_id)
        with as_world_fault(self._state):
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.fsync_folder(path.parent.parent)
            durable.write_bytes(path, data)
        failpoint("accept.job_file_frozen")
        return NewJob(
            id=job_id,
            name=(job.name if job else None) or PurePosixPath(found.source).stem,
            source=found.source,
            submitted_at=wall - candidate.waited,
            job_file_sha256=hashlib.sha256(data).hexdigest(),
            priority=(job.priority if job else None) or 0,
            wishes=wishes,
            settings=frozen.settings,
            renders=frozen.renders,
            inputs=frozen.inputs,
            failure=failure,
        )

    def _read(self, job: FoundJob) -> bytes:
        """Return the claimed file's bytes. Raises NotReadyError unless it is what was judged."""
        location = job.location
        with as_world_fault(self._inbox), opened_folder(self._inbox, location.parent) as folder:
            data, identity = read_whole(folder, location.name, LARGEST_JOB_FILE)
        if identity != job.identity:
            raise NotReadyError("waiting for the job file, which is being changed")
        return data

    def _freeze_renders(self, job: JobFile, folder: PurePosixPath, images: Files) -> _Frozen:
        settings = self._settings(job)
        specs = expand(job, settings, self._root, folder, self._most_renders)
        frozen = {path: self._freeze_image(path, images) for path in inputs(specs)}
        renders = tuple(_new_render(spec, frozen) for spec in specs)
        return _Frozen(settings.model_dump_json(), renders, tuple(frozen.values()))

    def _settings(self, job: JobFile) -> RenderSettings:
        preset = load_preset(job.preset or DEFAULT_PRESET, self._presets)
        return resolve(job, preset, load_preset(DEFAULT_PRESET, self._presets))

    def _freeze_image(self, path: str, images: Files) -> FrozenInput:
        expected = images.get(path)
        if expected is None:
            raise NotReadyError(f"waiting for {shown(path)} to be copied")
        frozen = self._store.freeze(self._root.open_file(PurePosixPath(path)), path, expected)
        failpoint("accept.input_frozen")
        return frozen


@dataclass(frozen=True)
class _Frozen:
    settings: str = "{}"
    renders: tuple[NewRender, ...] = ()
    inputs: tuple[FrozenInput, ...] = ()


def _new_render(spec: RenderSpec, frozen: dict[str, FrozenInput]) -> NewRender:
    def image(path: str) -> FrozenImage:
        return FrozenImage(path=path, sha256=frozen[path].sha256)

    render = FrozenRender(
        title=spec.title,
        content=image(spec.content),
        styles=tuple(
            FrozenStyle(path=path, sha256=frozen[path].sha256, share=share)
            for path, share in spec.styles
        ),
        init=None if spec.init_file is None else image(spec.init_file),
        masks=tuple(
            FrozenRegion(content=image(content), style=None if style is None else image(style))
            for content, style in spec.masks
        ),
        settings=spec.settings,
    )
    return NewRender(spec.title, render.model_dump_json(), spec.settings.iterations)


def _remove_empty(above: int, name: str, depth: int = 0) -> None:
    """Remove the folder `name` and those in it, as far as they are empty and a claim's own."""
    descriptor = enter(above, name)
    try:
        with os.scandir(descriptor) as entries:
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        if depth < DEEPEST:
            for folder in folders:
                _remove_empty(descriptor, folder, depth + 1)
    finally:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=above)
