"""What the daemon is doing, as another process can know it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from atelierd.cli.boxed import within
from atelierd.errors import WorldFault
from atelierd.inbox.owner import daemon_of
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.ledger.states import JobState
from atelierd.outbox import layout
from atelierd.outbox.overview import build_overview
from atelierd.outbox.prospects import Forecaster, Prospects, in_order
from atelierd.settings import Settings
from atelierd.share import Role, check_share
from atelierd.trouble import CONFIG_TROUBLE, read_trouble

#: Seconds that the share has for its answer; one whose server is gone may never answer.
SHARE_SECONDS = 1.0
_LONGEST_STATUS = 1 << 22

UNFINISHED = (JobState.QUEUED, JobState.RUNNING, JobState.HELD)


@dataclass
class _FromShare:
    """What can be learned from the share alone."""

    trouble: list[str] = field(default_factory=list)
    waiting: list[Any] = field(default_factory=list)
    waiting_files: int = 0


def overview(settings: Settings, ledger: Ledger) -> dict[str, Any]:
    """Return what the outbox's `status.json` says, from the ledger itself, and about the daemon.

    Which files wait in the inbox only the daemon knows: that is taken from its `status.json`, and
    is empty where no daemon runs.
    """
    daemon = running_daemon(settings)
    unfinished = ledger.jobs(UNFINISHED)
    running = [job for job in unfinished if job.state is JobState.RUNNING]
    share = within(SHARE_SECONDS, lambda: _look(settings, told_by_daemon=bool(daemon)))
    if share is None:
        share = _FromShare([f"the share does not answer: {settings.inbox}, {settings.outbox}"])
    # What the daemon says of itself stands on this machine: a full outbox cannot be told there.
    told = read_trouble(settings.state) if daemon else []
    facts = build_overview(
        unfinished=in_order(unfinished),
        prospects=prospects_of(settings, ledger, unfinished),
        renders={job.id: ledger.renders(job.id) for job in running},
        counts=ledger.counts(),
        waiting=(),
        trouble=list(dict.fromkeys([*told, *share.trouble])),
    )
    return {
        "daemon": {"running": bool(daemon), **daemon},
        "config_trouble": read_trouble(settings.state, CONFIG_TROUBLE) if daemon else [],
        **facts,
        "waiting_files": share.waiting_files,
        "waiting": share.waiting,
    }


def prospects_of(settings: Settings, ledger: Ledger, unfinished: Sequence[JobRow]) -> Prospects:
    """Return what is to be expected of the unfinished jobs, as the daemon would say it."""
    forecaster = Forecaster(
        ledger,
        settings.schedule.timetable,
        lanes=lambda: max(len(settings.work.device), len(ledger.running())),
    )
    return forecaster.prospects(unfinished)


def running_daemon(settings: Settings) -> dict[str, Any]:
    """Return process id and start of the daemon that runs here; empty if none does."""
    try:
        owner = daemon_of(settings.state, datetime.now(UTC))
    except OSError:
        return {}
    if owner is None:
        return {}
    return {"pid": owner.pid, "since": owner.started.isoformat(timespec="seconds")}


def _look(settings: Settings, *, told_by_daemon: bool) -> _FromShare:
    trouble: list[str] = []
    for role, folder in ((Role.INBOX, settings.inbox), (Role.OUTBOX, settings.outbox)):
        try:
            check_share(folder, role)
        except WorldFault as fault:
            trouble.append(str(fault))
    if trouble or not told_by_daemon:
        return _FromShare(trouble)
    try:
        with (settings.outbox / layout.STATUS).open("rb") as file:
            told = json.loads(file.read(_LONGEST_STATUS))
        waiting = [
            {key: str(one[key]) for key in ("file", "reason", "since")} for one in told["waiting"]
        ]
        return _FromShare([], waiting, int(told["waiting_files"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        # Not written yet, or by somebody else: anybody may write to the share.
        return _FromShare()
