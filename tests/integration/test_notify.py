"""The real daemon tells a real server, through failures and a kill, once and not twice."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.daemon import Daemon, Share
from tests.unit.notify.servers import Call, WebhookServer

from atelierd.notify.webhook import signature

JOB = "content: coffee.jpg\nstyle: astronaut.png\n"


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    with WebhookServer().serving() as server:
        yield server


def events(calls: list[Call]) -> list[tuple[str, str]]:
    """Return event and id of every call, each id once."""
    found = {call.headers["X-Atelierd-Id"]: call for call in calls}
    return [(call.headers["X-Atelierd-Event"], uid) for uid, call in found.items()]


def test_what_happened_is_told_by_the_next_start_where_this_one_was_killed(
    hook: WebhookServer,
    new_share: Callable[..., Share],
    started: Callable[..., Daemon],
    tmp_path: Path,
) -> None:
    key = tmp_path / "hook.key"
    key.write_text("open sesame\n")
    share = new_share(
        notify={"webhooks": [{"url": hook.url, "secret": {"file": str(key)}}]},
    )
    hook.script.extend([503] * 1000)
    daemon = started(share)
    share.drop("first.yaml", JOB)
    share.drop("broken.yaml", "content: coffee.jpg\nstyle: astronaut.png\nsize: -1\n")
    daemon.wait_for(lambda: share.finished("first", "broken") and hook.calls)
    daemon.stop(signal.SIGKILL)
    told_before = {uid for _, uid in events(hook.calls)}
    hook.script.clear()
    assert started(share, "--drain").wait() == 0
    found = events(hook.calls)
    assert sorted(event for event, _ in found) == ["done", "empty", "failed"]
    assert told_before <= {uid for _, uid in found}, "the same notices, by the same ids"
    for call in hook.calls:
        assert call.headers["X-Atelierd-Signature"] == signature(b"open sesame", call.body)
        assert json.loads(call.body)["id"] == call.headers["X-Atelierd-Id"]
    before = len(hook.calls)
    assert started(share, "--drain").wait() == 0
    assert len(hook.calls) == before, "nothing is told twice"


def test_a_secret_that_is_missing_keeps_the_daemon_from_starting(
    new_share: Callable[..., Share], started: Callable[..., Daemon], tmp_path: Path
) -> None:
    share = new_share(
        notify={"webhooks": [{"url": "https://127.0.0.1", "secret": {"file": "none"}}]}
    )
    daemon = started(share, "--drain")
    assert daemon.wait() == 78
    assert daemon.logged("the file with the secret cannot be read")
