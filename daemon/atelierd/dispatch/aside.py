"""Jobs that wait by themselves while the others go on (rule 18)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from atelierd.dispatch.pause import Pause
from atelierd.ledger.rows import JobRow


class Aside:
    """The jobs that are set aside; times are monotonic, in seconds.

    Jobs that wait for the same thing share one pause, so that a thousand of them ask for it as
    seldom as one.
    """

    def __init__(self) -> None:
        self._pauses: dict[str, Pause] = {}

    def begin(self, job_id: str, reason: str, now: float, others: Iterable[str] = ()) -> bool:
        """Set a job aside, or let it wait for twice as long, and `others` with it.

        Return whether the reason is another than before.
        """
        pause = self._pauses.setdefault(job_id, Pause())
        for other in others:
            self._pauses.setdefault(other, pause)
        return pause.begin(reason, now)

    def reasons(self, now: float, at_least: float = 0.0) -> dict[str, str]:
        """Return the jobs that have to wait now, with the reasons.

        Those are among them that were tried less than `at_least` seconds ago.
        """
        return {
            job_id: pause.reason
            for job_id, pause in self._pauses.items()
            if pause.reason is not None and pause.lasts(now, at_least)
        }

    def end(self, job_id: str) -> None:
        """Forget one, for what failed has succeeded."""
        self._pauses.pop(job_id, None)

    def keep_only(self, job_ids: Collection[str]) -> None:
        """Forget all jobs but these, so that memory holds only those that can go on."""
        self._pauses = {one: pause for one, pause in self._pauses.items() if one in job_ids}


def network_of(job: JobRow) -> str | None:
    """Return the network whose weights a job needs, None for one that was refused."""
    network: str | None = json.loads(job.settings).get("network")
    return network
