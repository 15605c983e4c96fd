from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.web.conftest import Client

from atelierd.inbox.owner import Ownership
from atelierd.settings import Settings
from atelierd.share import MARKER_NAME
from atelierd.trouble import TroubleFile
from atelierd.web import app


@pytest.fixture
def daemon(settings: Settings, tmp_path: Path) -> Iterator[Ownership]:
    """This process, taken for a daemon at work."""
    ownership = Ownership.take(
        settings.inbox, state=settings.state, runtime=tmp_path / "run", now=0.0,
        wall=datetime.now(UTC),
    )  # fmt: skip
    yield ownership
    ownership.release()


def reasons(client: Client) -> list[str]:
    answer = client.get("/healthz")
    said = json.loads(answer.body)
    assert (answer.status, said["status"]) == (
        (503, "unhealthy") if said["reasons"] else (200, "ok")
    )
    found: list[str] = said["reasons"]
    return found


@pytest.mark.usefixtures("daemon")
def test_a_daemon_at_work_is_healthy(client: Client) -> None:
    assert reasons(client) == []


@pytest.mark.usefixtures("daemon")
def test_what_the_queue_waits_for_is_the_reason(client: Client, settings: Settings) -> None:
    told = TroubleFile(settings.state)
    told.say(("the disk is full", "the outbox cannot be written"))
    assert reasons(client) == ["the disk is full", "the outbox cannot be written"]
    told.say(())
    assert reasons(client) == []


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("folder", ["inbox", "outbox"])
def test_a_share_that_is_offline_is_the_reason(
    client: Client, settings: Settings, folder: str
) -> None:
    (getattr(settings, folder) / MARKER_NAME).unlink()
    (reason,) = reasons(client)
    assert f"the {folder}" in reason
    assert "is the share mounted" in reason


def test_a_daemon_that_has_ended_is_the_reason_whatever_it_said_last(
    client: Client, daemon: Ownership, settings: Settings
) -> None:
    TroubleFile(settings.state).say(("the disk is full",))
    daemon.release()
    assert reasons(client) == ["the daemon is not running; start it with `atelierd run`"]


@pytest.mark.usefixtures("daemon")
def test_a_share_that_hangs_is_the_reason_and_keeps_nobody_waiting(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server was made with the patience of every day; one with little is put in its place.
    assert client.get("/healthz").status == 200
    web = client.server._web
    assert web is not None
    monkeypatch.setattr(web._quick, "_patience", timedelta(milliseconds=50).total_seconds())
    monkeypatch.setattr(app, "look_at", lambda _: time.sleep(20))
    (reason,) = reasons(client)
    assert reason == f"the share does not answer: {settings.inbox}, {settings.outbox}"
    metrics = client.get("/metrics").body.decode()
    assert 'atelierd_share_up{folder="outbox"} 0.0' in metrics
    assert "atelierd_up 1.0" in metrics
