"""Notices of what happened, kept until every receiver has them.

A notice is recorded in the transaction that makes it true: a job is done, and its notice is there,
or neither. Each receiver has a cursor into the one list. It moves after a notice was handed over,
so a kill in between hands the same notice, by the same `uid`, over again: at least once, in order.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from atelierd.events import Event
from atelierd.ledger.connection import Connection
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.ledger.states import JobState

#: Notices that are kept, the newest: a receiver that is gone for good must not fill the disk.
MOST_KEPT = 1000
#: Mark: when the first job came into a queue that was empty, until that it is empty is told.
FILLED = "queue filled since"
#: Characters of a job's reason that its notice repeats.
LONGEST_REASON = 4_000


@dataclass(frozen=True)
class Notice:
    """Something that happened, for one receiver after the other."""

    #: Rises with every notice of this ledger.
    id: int
    #: The same whenever this notice is sent, and no other's anywhere.
    uid: str
    event: Event
    happened_at: datetime
    #: Plain JSON data.
    facts: Mapping[str, Any]


class NoticeBox:
    """The notices of one ledger. Every method raises WorldFault if the disk fails."""

    def __init__(
        self, connection: Connection, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._db = connection
        self._clock = clock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the notices of the ledger at `path` with a connection of their own.

        Raises ConfigError as `Ledger.open` for a reader.
        """
        return cls(Connection(path, "write"))

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def enroll(self, receivers: Collection[str]) -> None:
        """Let these be the receivers: a new one gets what happens from now on.

        Those that are gone are forgotten, with what only they were to get.
        """
        with self._db.transaction():
            known = self._receivers()
            for name in known - set(receivers):
                self._db.execute("DELETE FROM receivers WHERE name = ?", (name,))
            for name in set(receivers) - known:
                self._join(name, is_first=not known)
            self._forget()

    def join(self, receiver: str) -> int:
        """Return the id of the last notice that `receiver` has; it is enrolled if it was not."""
        if receiver not in self._receivers():
            with self._db.transaction():
                self._join(receiver, is_first=not self._receivers())
        (found,) = self._db.rows("SELECT through FROM receivers WHERE name = ?", (receiver,))
        return int(found["through"])

    def _receivers(self) -> set[str]:
        return {row["name"] for row in self._db.rows("SELECT name FROM receivers")}

    def _join(self, receiver: str, *, is_first: bool) -> None:
        if is_first and not self.unfinished():
            # What ran empty while nobody listened is no news.
            self._set_mark(FILLED, None)
        self._db.execute(
            "INSERT INTO receivers (name, through) VALUES (?, coalesce("
            "(SELECT seq FROM sqlite_sequence WHERE name = 'notices'), 0))",
            (receiver,),
        )

    def next(self, after: int) -> Notice | None:
        """Return the first notice after the id `after`.

        Ids are without gaps: what is missing in between was thrown away for want of room.
        """
        row = self._db.row("SELECT * FROM notices WHERE id > ? ORDER BY id LIMIT 1", (after,))
        return None if row is None else _notice(row)

    def passed(self, receiver: str, through: int) -> None:
        """Record that `receiver` has everything up to the id `through`, or never will.

        Cheap: after a power cut a notice may be sent again.
        """
        with self._db.transaction(durable=False):
            self._db.execute(
                "UPDATE receivers SET through = max(through, ?) WHERE name = ?", (through, receiver)
            )
            self._forget()

    def waiting(self) -> Mapping[str, int]:
        """Return how many notices came after the last one of each receiver."""
        rows = self._db.rows(
            "SELECT name, (SELECT count(*) FROM notices WHERE id > through) FROM receivers"
        )
        return {row["name"]: row[1] for row in rows}

    def happened(
        self, event: Event, facts: Mapping[str, Any], marks: Mapping[str, str | None]
    ) -> None:
        """Record a notice and set `marks` with it, in one step."""
        with self._db.transaction():
            record(self._db, event, facts, self._clock())
            for name, value in marks.items():
                self._set_mark(name, value)

    def late(self, job: JobRow, expected: str, ends: datetime | None) -> None:
        """Record that a job will not make its deadline, unless that is told already.

        `expected` says in words when it will be done, `ends` as a time where that is known.
        """
        with self._db.transaction():
            if self.mark(_late(job.id)) is None:
                now = self._clock()
                record(self._db, Event.LATE, _late_facts(job, expected, ends), now)
                self._set_mark(_late(job.id), _text(now))

    def mark(self, name: str) -> str | None:
        """Return what was last noted under `name`, None if nothing is."""
        row = self._db.row("SELECT value FROM marks WHERE name = ?", (name,))
        return None if row is None else str(row["value"])

    def set_mark(self, name: str, value: str | None) -> None:
        """Note `value` under `name`; None takes the note away."""
        with self._db.transaction():
            self._set_mark(name, value)

    def unfinished(self) -> int:
        """Return how many jobs are queued or running."""
        states = (JobState.QUEUED, JobState.RUNNING)
        row = self._db.rows("SELECT count(*) FROM jobs WHERE state IN (?, ?)", states)[0]
        return int(row[0])

    def finished_since(self, moment: datetime) -> Mapping[str, int]:
        """Return how many jobs became done, failed and cancelled since `moment`, by state."""
        rows = self._db.rows(
            "SELECT state, count(*) FROM jobs WHERE finished_at >= ? GROUP BY state",
            (_text(moment),),
        )
        return {row["state"]: row[1] for row in rows}

    def _set_mark(self, name: str, value: str | None) -> None:
        if value is None:
            self._db.execute("DELETE FROM marks WHERE name = ?", (name,))
        else:
            self._db.execute(
                "INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)", (name, value)
            )

    def _forget(self) -> None:
        """Throw away what every receiver has; everything, if there is none."""
        self._db.execute(
            "DELETE FROM notices WHERE id <= coalesce((SELECT min(through) FROM receivers), "
            "(SELECT max(id) FROM notices))"
        )


def note_filled(db: Connection, now: datetime) -> None:
    """Note, in the transaction that the caller has begun, that there is a job in the queue."""
    db.execute("INSERT OR IGNORE INTO marks (name, value) VALUES (?, ?)", (FILLED, _text(now)))


def forget_late(db: Connection, job_id: str) -> None:
    """Let a job that has finished be told late again, should it be retried; in a transaction."""
    db.execute("DELETE FROM marks WHERE name = ?", (_late(job_id),))


def record(db: Connection, event: Event, facts: Mapping[str, Any], now: datetime) -> None:
    """Record a notice in the transaction that the caller has begun."""
    db.execute(
        "INSERT INTO notices (uid, event, happened_at, facts) VALUES (?, ?, ?, ?)",
        (uuid.uuid4().hex, event.value, _text(now), json.dumps(facts)),
    )
    db.execute("DELETE FROM notices WHERE id <= (SELECT max(id) FROM notices) - ?", (MOST_KEPT,))


def job_facts(job: JobRow, renders: Sequence[RenderRow]) -> Mapping[str, Any]:
    """Return what a notice says of a finished job."""
    return {
        **_facts(job),
        "reason": job.reason[:LONGEST_REASON],
        "finished": job.finished_at and job.finished_at.isoformat(timespec="seconds"),
        "seconds": round(sum(render.seconds for render in renders), 1),
        "renders": dict(Counter(render.state.value for render in renders)),
    }


def _late_facts(job: JobRow, expected: str, ends: datetime | None) -> Mapping[str, Any]:
    deadline = job.wishes.deadline
    return {
        **_facts(job),
        "deadline": deadline and deadline.isoformat(timespec="seconds"),
        "expected": expected,
        "expected_end": ends and ends.isoformat(timespec="seconds"),
    }


def _facts(job: JobRow) -> Mapping[str, Any]:
    return {
        "job": job.folder,
        "name": job.name,
        "job_id": job.id,
        "source": job.source,
        "state": job.state.value,
        "accepted": job.accepted_at.isoformat(timespec="seconds"),
    }


def _late(job_id: str) -> str:
    """Return the mark of a job that is told to be late."""
    return f"late {job_id}"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _notice(row: Any) -> Notice:
    return Notice(
        id=row["id"],
        uid=row["uid"],
        event=Event(row["event"]),
        happened_at=datetime.fromisoformat(row["happened_at"]),
        facts=json.loads(row["facts"]),
    )
