"""The inbox's part of the daemon's loop: is the share there, what is new, take it over."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from atelierd import durable
from atelierd.errors import ConfigError, NotReadyError, WorldFault
from atelierd.failpoints import failpoint
from atelierd.images.picture import DEFAULT_LIMITS, ImageLimits
from atelierd.inbox.accept import Acceptance, Accepted, ImmovableError
from atelierd.inbox.inputs import InputStore
from atelierd.inbox.owner import InboxHeldError, Ownership
from atelierd.inbox.readings import WaitKind
from atelierd.inbox.scan import walk
from atelierd.inbox.waiting import Candidate, Judge, Waiting
from atelierd.inbox.watch import Arrivals
from atelierd.jobs.expand import MOST_RENDERS
from atelierd.ledger.ledger import Ledger
from atelierd.logfacts import about
from atelierd.schedule.timetable import Timetable
from atelierd.share import Role, check_free_space, check_share
from atelierd.wording import shown

logger = logging.getLogger(__name__)

#: Seconds from a fault of the world to the next look: doubled each time, up to the second one.
FIRST_RETRY, LAST_RETRY = 1.0, 60.0


@dataclass(frozen=True)
class InboxPlan:
    """Where the inbox's work happens, and within which bounds."""

    inbox: Path
    outbox: Path
    state: Path
    #: Folders of preset files; an earlier one goes over a later one.
    presets: tuple[Path, ...]
    #: How long a file has to look the same before it counts as whole.
    settle: timedelta
    #: After how long a job fails whose pictures do not come.
    missing_timeout: timedelta
    #: Bytes that stay free on the disks of outbox and state folder.
    free_space: int
    limits: ImageLimits = DEFAULT_LIMITS
    most_renders: int = MOST_RENDERS
    #: The daemon's windows, which jobs may name.
    timetable: Timetable = field(default_factory=Timetable)
    #: Of one turn, for acceptance: thousands of new jobs must not keep renders waiting.
    acceptance_box: timedelta = timedelta(milliseconds=500)


@dataclass(frozen=True)
class InboxReport:
    """What a turn did, and what is left."""

    accepted: tuple[Accepted, ...] = ()
    #: From the last scan that reached the share.
    waiting: tuple[Waiting, ...] = ()
    #: Jobs that are ready and were not accepted for want of time: call again soon.
    ready: int = 0
    #: Why nothing can be accepted now, in words.
    fault: str | None = None


@dataclass
class Inbox:
    """Turns job files into jobs of the ledger, a piece at each `turn`."""

    plan: InboxPlan
    ledger: Ledger
    ownership: Ownership
    #: Whether the outbox has a folder of that name already; may raise WorldFault.
    folder_taken: Callable[[str], bool]
    #: What a watch has seen to be renamed into place since it was asked last.
    take_arrivals: Callable[[], Arrivals] = dict
    clock: Callable[[], float] = time.monotonic
    _ready: deque[Candidate] = field(default_factory=deque)
    _waiting: tuple[Waiting, ...] = ()
    _shares: dict[Role, str] = field(default_factory=dict)
    #: Time during which the share was there: what a job's wait is measured by.
    _share_time: float = 0.0
    _scanned_at: float | None = None
    _fault: str | None = None
    _retry_at: float = 0.0
    _retry_after: float = FIRST_RETRY

    def __post_init__(self) -> None:
        plan = self.plan
        self._rescan_after = plan.settle.total_seconds()
        self._judge = Judge(
            plan.inbox, plan.settle, plan.missing_timeout, self.clock, self._is_world_well
        )
        self._acceptance = self._accepting(plan)

    def _accepting(self, plan: InboxPlan) -> Acceptance:
        return Acceptance(
            plan.inbox,
            plan.state,
            self.ledger,
            InputStore(plan.state, plan.limits),
            presets=plan.presets,
            folder_taken=self.folder_taken,
            most_renders=plan.most_renders,
            timetable=plan.timetable,
        )

    def change(self, plan: InboxPlan) -> None:
        """Go by another plan for the same folders from now on; nothing begins anew by that."""
        self.plan = plan
        self._rescan_after = plan.settle.total_seconds()
        self._judge.change(plan.settle, plan.missing_timeout)
        self._acceptance = self._accepting(plan)

    def turn(self, now: float, wall: datetime) -> InboxReport:
        """Scan, and accept what is ready for as long as the plan's acceptance box allows.

        `now` is monotonic, in seconds, `wall` an aware time in UTC. Claims that an earlier
        process left behind are finished on the way (rule 20). Faults of the world are reported,
        not raised; then the next look comes after a growing pause.
        """
        if self._fault is not None and now < self._retry_at:
            return self._report()
        accepted: list[Accepted] = []
        try:
            self._check(now, wall)
            # While thousands are being accepted, newcomers are seen and begin to settle.
            if not self._ready or now - (self._scanned_at or 0.0) >= self._rescan_after:
                self._scan(now)
            self._accept(accepted, wall)
        except (WorldFault, InboxHeldError) as error:
            self._pause(str(error), now)
        except OSError as error:
            self._pause(f"{self.plan.inbox}: {error}", now)
        else:
            self._resume()
        return self._report(tuple(accepted))

    def _check(self, now: float, wall: datetime) -> None:
        """Raise WorldFault unless share and disks can be used, and the inbox is ours."""
        for role, folder in ((Role.INBOX, self.plan.inbox), (Role.OUTBOX, self.plan.outbox)):
            marker = check_share(folder, role, self._shares.get(role))
            self._shares[role] = marker.share
        self.ownership.beat(now, wall)
        self._check_space()

    def _check_space(self) -> None:
        for folder in (self.plan.outbox, self.plan.state):
            check_free_space(folder, self.plan.free_space)

    def _scan(self, now: float) -> None:
        arrived = self.take_arrivals()
        inventory = walk(self.plan.inbox)
        if inventory.jobs:
            failpoint("accept.seen")
        if self._scanned_at is not None:
            self._share_time += now - self._scanned_at
        result = self._judge.judge(inventory, self._share_time, arrived)
        if result.candidates:
            failpoint("accept.judged")
        self._scanned_at = now
        self._ready = deque(result.candidates)
        self._waiting = result.waiting
        for job_id in inventory.hollow:
            self._acceptance.tidy(job_id)

    def _accept(self, accepted: list[Accepted], wall: datetime) -> None:
        def tell(one: Accepted) -> None:
            accepted.append(one)
            _log(one)

        until = self.clock() + self.plan.acceptance_box.total_seconds()
        while self._ready:
            self._check_space()
            candidate = self._ready.popleft()
            try:
                self._acceptance.accept(candidate, wall, tell)
            except ImmovableError as error:
                self._put_off(candidate, WaitKind.PASSED_OVER, str(error))
            except NotReadyError as error:
                self._put_off(candidate, WaitKind.SETTLING, str(error))
            except WorldFault as fault:
                if not self._is_world_well():
                    raise
                self._put_off(candidate, WaitKind.FAILING, str(fault))
            except ConfigError as error:
                self._put_off(candidate, WaitKind.PASSED_OVER, f"waiting for a preset: {error}")
            if self.clock() >= until:
                break

    def _is_world_well(self) -> bool:
        """Whether share and disks can be used, as a small file in each shows.

        If so, a fault of the world is one of a single file, and the other jobs go on (rule 18).
        """
        try:
            for role, folder in ((Role.INBOX, self.plan.inbox), (Role.OUTBOX, self.plan.outbox)):
                check_share(folder, role, self._shares.get(role))
            self._check_space()
            for folder in (self.plan.inbox, self.plan.state):
                probe = folder / f"{durable.TEMPORARY_PREFIX}inbox-probe"
                durable.write_bytes(probe, b"atelierd asks whether it can write here\n")
                probe.unlink(missing_ok=True)
        except (WorldFault, OSError):
            return False
        return True

    def _put_off(self, candidate: Candidate, kind: WaitKind, reason: str) -> None:
        path = shown(candidate.job.source)
        self._waiting += (Waiting(path, reason, kind, candidate.waited),)

    def _pause(self, reason: str, now: float) -> None:
        if self._fault is None:
            self._retry_after = FIRST_RETRY
        if reason != self._fault:
            logger.error("the inbox waits: %s", reason)
        self._fault = reason
        self._retry_at = now + self._retry_after
        self._retry_after = min(2 * self._retry_after, LAST_RETRY)
        self._scanned_at = None
        # What was ready is judged anew: who knows what lies there afterwards.
        self._ready.clear()

    def _resume(self) -> None:
        if self._fault is not None:
            logger.info("the inbox goes on")
        self._fault = None

    def _report(self, accepted: tuple[Accepted, ...] = ()) -> InboxReport:
        return InboxReport(accepted, self._waiting, len(self._ready), self._fault)


def _log(job: Accepted) -> None:
    if job.failure is None:
        logger.info(
            "accepted %s as %s: renders: %d",
            shown(job.source),
            job.job_id,
            job.renders,
            extra=about(job_id=job.job_id, source=job.source, outcome="accepted"),
        )
    else:
        reason = "; ".join(shown(line, 200) for line in job.failure.splitlines())
        logger.warning(
            "refused %s as %s: %s",
            shown(job.source),
            job.job_id,
            reason,
            extra=about(job_id=job.job_id, source=job.source, outcome="refused"),
        )
