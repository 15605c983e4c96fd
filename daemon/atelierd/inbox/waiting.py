"""Which jobs are ready, and what the others wait for (rules 3 and 4).

Readiness is of the set: the job file and every picture it names. A job file is looked into as soon
as it is seen, so that its pictures settle while it does; nothing is done by that look, for
acceptance reads the file again, once it is quiet. What it names is remembered as long as the file
looks the same, so thousands of waiting jobs cost no parsing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from atelierd.errors import AtelierError, JobFault, WorldFault
from atelierd.inbox.handles import HELD, opened_folder, read_whole
from atelierd.inbox.named import Named, names_of
from atelierd.inbox.readiness import StabilityTracker
from atelierd.inbox.readings import Files, NotYet, Readings, WaitKind
from atelierd.inbox.scan import FoundJob, Inventory
from atelierd.jobs.paths import FileIdentity, Root
from atelierd.jobs.reader import read_job
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault
from atelierd.yamldoc import looks_cut_off

logger = logging.getLogger(__name__)

#: Bytes. What is bigger is no job file, however it is called, and is left where it lies; what is
#: smaller and still too big for one fails in words.
LARGEST_JOB_FILE = 64 << 20
#: Job files that are new are read for so long in one scan; the others come next.
READING_BOX = timedelta(milliseconds=400)

_UNFINISHED = NotYet(WaitKind.SETTLING, "waiting for the job file to be written to its end")


@dataclass(frozen=True)
class Waiting:
    """A job file that is seen and not ready."""

    #: Relative to the inbox, fit to be shown.
    path: str
    reason: str
    kind: WaitKind
    #: Since it was first seen; the time during which the share was away does not count.
    waited: timedelta

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}, {in_words(self.waited)}"


@dataclass(frozen=True)
class Candidate:
    """A job file to be accepted: it is ready, or it will be refused."""

    job: FoundJob
    #: The pictures that were found quiet, by their path relative to the inbox.
    images: Files
    waited: timedelta
    #: Why it was given up, in words; None if it was not.
    gave_up: str | None = None


@dataclass(frozen=True)
class ScanResult:
    """What one scan comes to."""

    waiting: tuple[Waiting, ...]
    candidates: tuple[Candidate, ...]


@dataclass
class _Known:
    """What is remembered of a job file as long as it looks the same."""

    identity: FileIdentity
    first_seen: float
    read: bool = False
    read_when_quiet: bool = False
    names: tuple[Named, ...] = ()
    fault: str | None = None
    cut_off: bool = False
    bug: str | None = None
    #: Since when, though it is quiet, something that it names has been missing all the time.
    missing_since: float | None = None


@dataclass
class Judge:
    """Decides about each job file of an inventory; times are monotonic, in seconds."""

    inbox: Path
    settle: timedelta
    missing_timeout: timedelta
    clock: Callable[[], float] = time.monotonic
    #: Whether the share as a whole can be used: then a fault of one file is that file's alone.
    is_share_well: Callable[[], bool] = lambda: False
    _known: dict[str, _Known] = field(default_factory=dict)
    _passed_over: dict[str, float] = field(default_factory=dict)
    _temporary: Mapping[str, set[FileIdentity]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._root = Root(self.inbox)
        self._tracker = StabilityTracker(self.settle)

    def change(self, settle: timedelta, missing_timeout: timedelta) -> None:
        """Judge by other times from now on; what is quiet already stays so."""
        self.settle, self.missing_timeout = settle, missing_timeout
        self._tracker.settle = settle

    def judge(
        self, inventory: Inventory, now: float, arrived: Mapping[str, set[FileIdentity]]
    ) -> ScanResult:
        """Return what is ready at `now` and what waits for what.

        `arrived`: by folder, the identities of files that were seen to be renamed into place
        since the last call (rule 2). Raises WorldFault if the share fails.
        """
        complete = {
            folder: self._temporary.get(folder, set()) | arrived.get(folder, set())
            for folder in {*self._temporary, *arrived}
        }
        readings = Readings(self._root, self._tracker, inventory, complete, now)
        until = self.clock() + READING_BOX.total_seconds()
        known: dict[str, _Known] = {}
        waiting = self._passed(inventory, now)
        candidates = []
        well: bool | None = None
        for job in inventory.jobs:
            verdict: Candidate | NotYet
            one = known[str(job.location)] = self._remembered(job, now)
            try:
                verdict = self._verdict(job, one, readings, now, until)
            except WorldFault as fault:
                well = self.is_share_well() if well is None else well
                if not well:
                    raise
                verdict = NotYet(WaitKind.FAILING, str(fault))
            except (AtelierError, OSError):
                raise
            except Exception as error:
                # A bug of ours must not end the daemon at each start, for one file (rule 18).
                logger.exception("%s: not foreseen", shown(job.source))
                one.bug = bug(job.source, error)
                verdict = _UNFINISHED
            if isinstance(verdict, Candidate):
                candidates.append(verdict)
            else:
                waited = timedelta(seconds=now - one.first_seen)
                waiting.append(Waiting(shown(job.source), verdict.reason, verdict.kind, waited))
        self._known = known
        self._temporary = inventory.temporary
        readings.forget_others()
        return ScanResult(tuple(waiting), tuple(candidates))

    def _passed(self, inventory: Inventory, now: float) -> list[Waiting]:
        self._passed_over = {
            path: self._passed_over.get(path, now) for path in inventory.passed_over
        }
        return [
            Waiting(
                shown(path),
                reason,
                WaitKind.PASSED_OVER,
                timedelta(seconds=now - self._passed_over[path]),
            )
            for path, reason in inventory.passed_over.items()
        ]

    def _remembered(self, job: FoundJob, now: float) -> _Known:
        known = self._known.get(str(job.location))
        if known is None:
            return _Known(job.identity, now)
        if known.identity != job.identity:
            return _Known(job.identity, known.first_seen)
        return known

    def _verdict(
        self, job: FoundJob, known: _Known, readings: Readings, now: float, until: float
    ) -> Candidate | NotYet:
        waited = timedelta(seconds=now - known.first_seen)
        if known.bug is not None:
            quiet = readings.quiet(job.location, job.identity)
            return Candidate(job, {}, waited, gave_up=known.bug) if quiet else _UNFINISHED
        if job.identity.size > LARGEST_JOB_FILE:
            return NotYet(
                WaitKind.PASSED_OVER,
                f"has {job.identity.size:,} bytes; a job file has at most {LARGEST_JOB_FILE:,}",
            )
        quiet = readings.quiet(job.location, job.identity)
        if not known.read or (quiet and known.fault is not None and not known.read_when_quiet):
            if self.clock() > until:
                return NotYet(WaitKind.SETTLING, "waiting to be read")
            delay = self._read(job, known)
            if delay is not None:
                return delay
            known.read_when_quiet = quiet
        verdict = self._ready(job, known, readings)
        if not quiet:
            return _UNFINISHED
        if not isinstance(verdict, NotYet):
            return Candidate(job, verdict, waited)
        if verdict.kind is not WaitKind.MISSING:
            # It has come, if only in part: should it go, it has all of its time to come again.
            known.missing_since = None
            return verdict
        missing = self._missing_for(known, now)
        if missing >= self.missing_timeout:
            return Candidate(job, {}, waited, gave_up=_gave_up(job, known, verdict, missing))
        return verdict

    @staticmethod
    def _missing_for(known: _Known, now: float) -> timedelta:
        if known.missing_since is None:
            known.missing_since = now
        return timedelta(seconds=now - known.missing_since)

    def _read(self, job: FoundJob, known: _Known) -> NotYet | None:
        """Read and parse the job file into `known`; or return why that has to wait."""
        location = job.location
        try:
            with as_world_fault(self.inbox), opened_folder(self.inbox, location.parent) as folder:
                try:
                    data, identity = read_whole(folder, location.name, LARGEST_JOB_FILE)
                except PermissionError:
                    return NotYet(
                        WaitKind.PASSED_OVER,
                        "may not be read by the daemon; let its user read the file",
                    )
                except OSError as error:
                    if error.errno in HELD:
                        return NotYet(WaitKind.SETTLING, "is held by another program")
                    raise
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return NotYet(WaitKind.SETTLING, "has gone")
        if identity != job.identity:
            return _UNFINISHED
        known.read = True
        known.fault, known.cut_off = None, False
        try:
            known.names = names_of(read_job(data, job.source))
        except JobFault as fault:
            known.fault = str(fault)
            known.cut_off = looks_cut_off(data)
        return None

    def _ready(self, job: FoundJob, known: _Known, readings: Readings) -> Files | NotYet:
        """Return the quiet pictures of a job file, none for one that is to be refused."""
        if known.cut_off:
            return NotYet(
                WaitKind.MISSING, f"waiting for the rest of the job file: {_unfinished(job, known)}"
            )
        if known.fault is not None:
            return {}
        try:
            return readings.named(job.folder, known.names)
        except JobFault:
            # Acceptance finds the same fault, and says all that is wrong at once.
            return {}


def in_words(duration: timedelta) -> str:
    """Return a duration as people say it: `40 s`, `12 min`, `3 h 5 min`."""
    seconds = int(duration.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def bug(source: str, error: Exception) -> str:
    """Return why the job file `source` fails for what nobody has foreseen."""
    what = f"{type(error).__name__}: {shown(str(error), 200)}"
    return f"{shown(source)}: atelierd itself failed at this job ({what}); please report it"


def _unfinished(job: FoundJob, known: _Known) -> str:
    """Return why a job file is taken for one that is still being written.

    It may be a whole one with a mistake at its end, so the mistake is told, too.
    """
    if job.identity.size == 0 or known.fault is None:
        return "it is empty"
    first, *_ = known.fault.splitlines()
    return f"it breaks off ({first.removeprefix(f'{shown(job.source)}: ')})"


def _gave_up(job: FoundJob, known: _Known, verdict: NotYet, missing: timedelta) -> str:
    reason = f"{shown(job.source)}: given up after {in_words(missing)} of {verdict.reason}"
    if known.fault is None:
        return f"{reason}; put it there, then put the job file into the inbox again"
    # Of a file that breaks off, the reason has the first line already.
    faults = known.fault.splitlines()[1 if job.identity.size else 0 :]
    return "\n".join([reason, *faults])
