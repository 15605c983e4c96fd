from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.notify.servers import MailServer, WebhookServer

from atelierd.events import Event
from atelierd.ledger import Ledger
from atelierd.ledger.notices import Notice, NoticeBox
from atelierd.ledger.rows import NewJob, NewRender

#: What a notice of each event is about.
FACTS: dict[Event, dict[str, Any]] = {
    Event.DONE: {
        "job": "skyline",
        "name": "Skyline",
        "job_id": "a1",
        "source": "anna/skyline.yaml",
        "state": "done",
        "reason": "",
        "accepted": "2026-03-01T22:00:00+00:00",
        "finished": "2026-03-02T06:59:30+00:00",
        "seconds": 200.0,
        "renders": {"done": 3},
    },
    Event.EMPTY: {"since": "2026-03-01T22:00:00+00:00", "jobs": {"done": 12, "failed": 1}},
    Event.OFFLINE: {"since": "2026-03-01T22:00:00+00:00", "trouble": ["/srv/inbox is not there"]},
    Event.BACK: {"since": "2026-03-01T22:00:00+00:00", "seconds": 7320},
    Event.REPORT: {"date": "2026-03-02", "file": "reports/2026-03-02.html", "jobs": {"done": 12}},
}
FACTS[Event.FAILED] = FACTS[Event.DONE] | {
    "state": "failed",
    "reason": "wave.jpg: it is no picture",
    "renders": {"done": 1, "failed": 2},
}


@pytest.fixture
def notice() -> Callable[..., Notice]:
    """Return a function that makes a notice; keys go over the facts of its event."""

    def make(event: Event = Event.DONE, number: int = 1, **facts: Any) -> Notice:
        happened = datetime(2026, 3, 2, 6, 59, 30, tzinfo=UTC)
        return Notice(number, f"{number:032x}", event, happened, FACTS[event] | facts)

    return make


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    with WebhookServer().serving() as server:
        yield server


@pytest.fixture
def post() -> Iterator[MailServer]:
    with MailServer().serving() as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(path)
    yield ledger
    ledger.close()


@pytest.fixture
def box(ledger: Ledger, path: Path) -> Iterator[NoticeBox]:
    """The notices, over a connection of their own."""
    box = NoticeBox.open(path)
    yield box
    box.close()


@pytest.fixture
def refuse(ledger: Ledger) -> Callable[..., None]:
    """Return a function that records a refused job: the shortest way to a notice."""

    def make(name: str = "bad", failure: str = "line 1: no") -> None:
        ledger.add_job(_job(name, failure=failure))

    return make


@pytest.fixture
def queue(ledger: Ledger) -> Callable[[str], str]:
    """Return a function that queues a job of one render and returns the render's id."""

    def make(name: str) -> str:
        ledger.add_job(_job(name, renders=(NewRender("picture", "{}", 10),)))
        return f"{name}.0"

    return make


def _job(name: str, **more: Any) -> NewJob:
    return NewJob(
        id=name,
        name=name,
        source=f"{name}.yaml",
        submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
        job_file_sha256=name,
        **more,
    )
