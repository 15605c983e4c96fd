"""The desk: keeps what people see in the outbox in step with the ledger, and takes their requests.

Everything it writes follows from the ledger, so it can be done again at any time: after a restart
every job that may need it is gone through once (rule 20).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from atelierd import durable
from atelierd.errors import AtelierError, WorldFault
from atelierd.failpoints import failpoint
from atelierd.jobs.frozen import job_file_path, job_file_paths
from atelierd.ledger import Ledger
from atelierd.ledger.errors import ActionRefusedError, UnknownJobError
from atelierd.ledger.rows import JobRow
from atelierd.ledger.states import Action, JobState, RenderState
from atelierd.ledger.telling import about_job
from atelierd.outbox import layout
from atelierd.outbox.controls import Control, ControlScanner
from atelierd.outbox.errors import FolderLostError
from atelierd.outbox.folder import folder_exists, folder_of, opened, place_job
from atelierd.outbox.overview import (
    NOT_TOLD,
    OverviewWriter,
    SecondsLeft,
    WaitingFile,
    build_overview,
    job_status,
)
from atelierd.outbox.pages.index_writer import IndexWriter, Situation
from atelierd.outbox.pages.writer import ReportWriter
from atelierd.outbox.prospects import Forecaster, Outlooks, in_order
from atelierd.outbox.provenance import end_removal, is_being_removed, is_sealed, seal
from atelierd.outbox.publish import remove_error, write_error, write_status
from atelierd.outbox.reasons import error_text
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault

logger = logging.getLogger(__name__)

#: Beside the copy of the job file in the state folder: the finished job has been shown. Its folder
#: is not made again, for then it was a person who took it away.
_SHOWN = "shown"

UNFINISHED = (JobState.QUEUED, JobState.RUNNING, JobState.HELD)

#: How often the outbox's own `status.json` and that of a job that only makes progress is written.
WRITE_EVERY = timedelta(seconds=5)
#: How often it is asked whether the outbox's own `status.json` has changed.
OVERVIEW_EVERY = timedelta(seconds=1)
#: Time between two looks for control files, for each folder that is looked at.
LOOK_EVERY = timedelta(milliseconds=10)
LOOK_AT_LEAST_EVERY = timedelta(seconds=2)
#: Finished jobs whose folders are still looked at for a `retry`, the newest of them.
FINISHED_LOOKED_AT = 500


class Desk:
    """Writes job folders, statuses and reasons, and answers control files and requests."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Path,
        state: Path,
        clock: Callable[[], float],
        forecaster: Forecaster | None = None,
    ) -> None:
        """Take up every job that may not be shown as it is; `clock` gives monotonic seconds.

        Without a `forecaster` nothing is said of what is to be expected.
        """
        self._ledger = ledger
        self._outbox = outbox
        self._state = state
        self._clock = clock
        self._controls = ControlScanner(clock)
        # What was done for control files whose answers cannot be written yet.
        self._answers: dict[Control, str] = {}
        self._overview = OverviewWriter(outbox, WRITE_EVERY, clock)
        self._reports = ReportWriter(clock)
        self._index = IndexWriter(ledger, outbox, clock)
        self._outlook = Outlooks(forecaster, clock)
        self._look_at = 0.0
        self._overview_at = 0.0
        self._written_at: dict[str, float] = {}
        self._undrawable: set[str] = set()
        self._states: dict[str, JobState] = {}
        finished = ledger.jobs(
            (JobState.FAILED, JobState.CANCELLED, JobState.DONE), FINISHED_LOOKED_AT
        )
        known = [job.id for job in ledger.jobs(UNFINISHED) + finished]
        self._changed = dict.fromkeys([*known, *self._never_shown()])

    def changed(self, job_id: str) -> None:
        """Remember that a job is to be shown anew at the next turn."""
        self._changed[job_id] = None

    @property
    def is_behind(self) -> bool:
        """Whether something has changed that is not shown yet."""
        return bool(self._changed)

    def turn(
        self,
        waiting: Sequence[WaitingFile],
        trouble: Sequence[str],
        until: float,
        seconds_left: SecondsLeft = NOT_TOLD,
        *,
        last: bool = False,
    ) -> None:
        """Answer people, and show what has changed, until the clock passes `until`.

        `seconds_left` is what the workers expect, by the render's id; the `last` turn says that
        the daemon ends. Raises the first WorldFault that it met; what was not shown then is shown
        later. Where only one job's folder cannot be written, all the others are shown.
        """
        faults: list[WorldFault] = []
        self._answer_requests()
        self._answer_control_files(faults)
        now = self._clock()
        for job_id in list(self._changed):
            if self._clock() > until:
                break
            if self._is_due(job_id, now):
                complete = False
                try:
                    complete = self._show(job_id, seconds_left, until)
                except WorldFault as fault:
                    faults.append(fault)
                except OSError as error:
                    # Of the state folder's disk, and none that is known.
                    faults.append(WorldFault(f"{self._state}: {error}"))
                # To the end of the line, if it is to be done again.
                self._changed.pop(job_id)
                if not complete:
                    self._changed[job_id] = None
        self._write_overview(waiting, trouble, seconds_left, until, last=last)
        if faults:
            raise faults[0]

    def _never_shown(self) -> Iterator[str]:
        """Give the jobs of which nobody has been told a word yet, however many have come since."""
        with as_world_fault(self._state):
            for path in job_file_paths(self._state):
                if not path.with_name(_SHOWN).exists():
                    # Killed while it was accepted, it may not be in the ledger.
                    with contextlib.suppress(UnknownJobError):
                        yield self._ledger.job_by_id(path.parent.name).id

    def _is_due(self, job_id: str, now: float) -> bool:
        """Whether to show a job now: at once when its state changes, else not too often."""
        if self._states.get(job_id) is not self._ledger.job_by_id(job_id).state:
            return True
        return now - self._written_at.get(job_id, 0.0) >= WRITE_EVERY.total_seconds()

    def _show(self, job_id: str, seconds_left: SecondsLeft, until: float) -> bool:
        """Write what lies in a job's folder; return whether that was all of it."""
        job = self._ledger.job_by_id(job_id)
        path = job_file_path(self._state, job_id)
        with as_world_fault(path):
            try:
                job_file = path.read_bytes()
            except FileNotFoundError:
                # A job that finished so long ago that its inputs were swept.
                return True
            proof = path.with_name(_SHOWN)
            was_shown = job.state not in UNFINISHED and proof.exists()
            if job.state in UNFINISHED:
                end_removal(self._state, job_id)
            going = was_shown and is_being_removed(self._state, job_id)
        if going or (was_shown and not folder_exists(self._outbox, job.folder)):
            self._index.changed()
            return True
        folder = place_job(self._outbox, self._ledger, job, job_file)
        job = self._ledger.job_by_id(job_id)
        renders = self._ledger.renders(job_id)
        complete = True
        try:
            failed = any(render.state is RenderState.FAILED for render in renders)
            if failed or job.state is JobState.FAILED:
                write_error(folder, error_text(job, renders))
            else:
                remove_error(folder)
            prospects = self._outlook.prospects
            write_status(folder, job_status(job, renders, seconds_left, prospects))
            with self._drawing(job.folder):
                expected = self._outlook.words(job)
                complete = self._reports.show(folder, job, renders, seconds_left, until, expected)
            is_known = not was_shown or is_sealed(self._state, job_id)
            if complete and job.state not in UNFINISHED and is_known:
                seal(self._state, folder, job, renders)
        except FolderLostError as error:
            logger.warning("%s", error)
        failpoint("desk.shown")
        if self._outlook.misses(job):
            self._overview_at = 0.0
        if job.state in UNFINISHED:
            self._states[job_id] = job.state
            self._written_at[job_id] = self._clock()
        else:
            self._states.pop(job_id, None)
            self._written_at.pop(job_id, None)
            self._index.changed()
            if not was_shown:
                with as_world_fault(proof):
                    durable.write_text(proof, "")
        return complete

    def _answer_requests(self) -> None:
        for request in self._ledger.take_requests():
            answer = self._act(request.action, self._ledger.job_by_id(request.job_id))
            failpoint("request.acted")
            self._ledger.answer_request(request.id, answer)

    def _answer_control_files(self, faults: list[WorldFault]) -> None:
        if self._clock() < self._look_at:
            return
        jobs = self._ledger.jobs(UNFINISHED) + self._ledger.jobs(
            (JobState.FAILED, JobState.CANCELLED), FINISHED_LOOKED_AT
        )
        pause = max(LOOK_AT_LEAST_EVERY, LOOK_EVERY * len(jobs))
        self._look_at = self._clock() + pause.total_seconds()
        by_id = {job.id: job for job in jobs}
        found = self._controls.scan(folder_of(self._outbox, job) for job in jobs)
        self._answers = {one: self._answers[one] for one in found if one in self._answers}
        for control in found:
            job = by_id[control.folder.job_id]
            try:
                # People may have put a folder of their own there; what it asks for is not heard.
                with opened(control.folder):
                    pass
                if control not in self._answers:
                    self._answers[control] = self._act(control.action, job)
                    failpoint("control.acted")
                self._controls.answer(control, self._answers[control])
                del self._answers[control]
            except FolderLostError as error:
                logger.warning("%s", error)
            except WorldFault as fault:
                faults.append(fault)

    def _act(self, action: Action, job: JobRow) -> str:
        """Do what a person asks for and return the answer in words."""
        try:
            state = self._ledger.act(action, job.id).state
        except ActionRefusedError as refusal:
            answer = str(refusal)
        else:
            answer = f"{job.folder} is {state} now"
        words = shown(answer, 200)
        logger.info("%s %s: %s", action, shown(job.folder), words, extra=about_job(job, action))
        self.changed(job.id)
        return answer

    def _write_overview(
        self,
        waiting: Sequence[WaitingFile],
        trouble: Sequence[str],
        seconds_left: SecondsLeft,
        until: float,
        *,
        last: bool,
    ) -> None:
        if self._clock() < self._overview_at and not last:
            return
        self._overview_at = self._clock() + OVERVIEW_EVERY.total_seconds()
        unfinished = in_order(self._ledger.jobs(UNFINISHED))
        for job_id in self._outlook.look(unfinished):
            self._changed[job_id] = None
            self._written_at.pop(job_id, None)
        prospects = self._outlook.prospects
        running = [job for job in unfinished if job.state is JobState.RUNNING]
        overview = build_overview(
            unfinished=unfinished,
            renders={job.id: self._ledger.renders(job.id) for job in running},
            counts=self._ledger.counts(),
            waiting=waiting,
            trouble=trouble,
            seconds_left=seconds_left,
            prospects=prospects,
            stopped=last,
        )
        self._overview.offer(overview, last=last)
        situation = Situation(
            overview["state"], unfinished, waiting, trouble, seconds_left, prospects
        )
        with self._drawing(layout.INDEX):
            self._index.show(situation, until, last=last)

    @contextlib.contextmanager
    def _drawing(self, what: str) -> Iterator[None]:
        """Go on without a page that cannot be drawn, and say so once.

        Pages show what lies in the outbox, which anybody may have edited, and jobs that an older
        atelierd accepted: no surprise in there is worth the daemon.
        """
        try:
            yield
        except AtelierError:
            raise
        except Exception:
            if what not in self._undrawable:
                logger.exception("the page of %s cannot be drawn; going on without", shown(what))
            self._undrawable.add(what)
