"""What waits for a device, remembered between two looks: a queue may have ten thousand jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

from atelierd.ledger.rows import RunnableRender

#: Jobs that are asked for at a time; SQLite takes only so many values.
_AT_A_TIME = 500


class WaitingJobs:
    """The next render of each job; `touch` marks those that may have changed."""

    def __init__(self, ask: Callable[[Collection[str]], Sequence[RunnableRender]]) -> None:
        """`ask` returns the next renders of some jobs, and nothing of those that have none."""
        self._ask = ask
        self._lock = threading.Lock()
        self._known: dict[str, RunnableRender] | None = None
        self._sorted: tuple[RunnableRender, ...] = ()
        self._touched: set[str] = set()

    def touch(self, job_id: str) -> None:
        """Have a job asked for again."""
        with self._lock:
            self._touched.add(job_id)

    def all(self, ask_all: Callable[[], Sequence[RunnableRender]]) -> tuple[RunnableRender, ...]:
        """Return the next renders of all jobs, oldest first: the same tuple while nothing changes.

        `ask_all` is asked once. Raises what the two that are asked raise; then the next call asks
        again.
        """
        # Nothing is asked under the lock: who touches a job may hold the ledger's.
        with self._lock:
            touched, self._touched = self._touched, set()
            known = self._known
        if known is not None and not touched:
            return self._sorted
        try:
            found = ask_all() if known is None else self._found_of(sorted(touched))
        except BaseException:
            with self._lock:
                self._touched |= touched
            raise
        kept = {job_id: one for job_id, one in (known or {}).items() if job_id not in touched}
        with self._lock:
            self._known = kept | {one.job_id: one for one in found}
            self._sorted = tuple(sorted(self._known.values(), key=lambda one: one.sequence))
            return self._sorted

    def _found_of(self, job_ids: Sequence[str]) -> list[RunnableRender]:
        return [
            one
            for start in range(0, len(job_ids), _AT_A_TIME)
            for one in self._ask(job_ids[start : start + _AT_A_TIME])
        ]
