from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atelierd.cli import queue
from atelierd.exits import Exit
from atelierd.inbox.owner import Ownership
from atelierd.ledger import Ledger
from atelierd.ledger.errors import ActionRefusedError
from atelierd.ledger.rows import NewJob, NewRender, Progress
from atelierd.ledger.states import JobState
from atelierd.settings import Settings, read_settings
from atelierd.trouble import TroubleFile

Command = Callable[..., Any]

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def settings(command: Command, tmp_path: Path) -> Settings:
    """Of a share with a configuration in the current folder."""
    command("init", "share", "--state", "state")
    (tmp_path / "state").mkdir()
    return read_settings(tmp_path / "atelierd.yaml")


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    ledger = Ledger.open(settings.state / "ledger.sqlite")
    yield ledger
    ledger.close()


def add(ledger: Ledger, name: str, *, priority: int = 0, failure: str | None = None) -> str:
    renders = () if failure else (NewRender("photo-painting", "{}", 200),)
    new = NewJob(
        id=f"id-{name}",
        name=name,
        source=f"{name}.yaml",
        submitted_at=NOW,
        job_file_sha256="0" * 64,
        priority=priority,
        renders=renders,
        failure=failure,
    )
    return ledger.add_job(new).id


@contextmanager
def daemon(settings: Settings, ledger: Ledger) -> Iterator[None]:
    """Hold the state folder and answer requests, as the daemon's desk does."""
    ended = threading.Event()

    def answer() -> None:
        while not ended.wait(0.02):
            for request in ledger.take_requests():
                try:
                    job = ledger.act(request.action, request.job_id)
                    text = f"{job.folder} is {job.state} now"
                except ActionRefusedError as refusal:
                    text = str(refusal)
                ledger.answer_request(request.id, text)

    ownership = Ownership.take(
        settings.inbox, state=settings.state, runtime=settings.state / "run", now=0, wall=NOW
    )
    thread = threading.Thread(target=answer)
    thread.start()
    yield
    ended.set()
    thread.join()
    ownership.release()


def test_before_the_daemon_has_ever_run_that_is_said(command: Command, settings: Settings) -> None:
    outcome = command("status")
    assert outcome.code == Exit.CONFIG
    assert "has the daemon been started once?" in outcome.err


def test_status_tells_what_runs_waits_is_held_and_failed(
    command: Command, settings: Settings, ledger: Ledger
) -> None:
    running, held = add(ledger, "bridge"), add(ledger, "tower")
    add(ledger, "alley")
    add(ledger, "urgent", priority=5)
    add(ledger, "typo", failure="typo.yaml: line 2, stile: unknown key\nmore")
    ledger.begin_attempt(f"{running}.0", 1)
    ledger.progress(f"{running}.0", Progress(50, 60, 331114.0, 100.0, 0, 1))
    ledger.hold_job(held)
    said = command("status").out
    assert "not running; start it with `atelierd run`" in said
    assert "bridge › photo-painting  50/200  objective 331,114  5:00 left" in said  # noqa: RUF001
    assert "2 jobs: urgent, alley" in said
    assert "1 job: tower" in said
    assert "2 queued, 1 running, 1 held, 1 failed" in said
    assert "typo: typo.yaml: line 2, stile: unknown key\n" in said


def test_status_in_json_is_the_outboxs_with_the_daemon_beside_it(
    command: Command, settings: Settings, ledger: Ledger
) -> None:
    add(ledger, "alley")
    TroubleFile(settings.state).say(["the disk is full"])
    (settings.outbox / "status.json").write_text(
        json.dumps(
            {
                "waiting_files": 1,
                "waiting": [{"file": "x.yaml", "reason": "waiting for a.jpg", "since": "then"}],
            }
        )
    )
    facts = json.loads(command("status", "--json").out)
    assert facts["daemon"] == {"running": False}
    assert [job["job"] for job in facts["queue"]] == ["alley"]
    # A file that a dead daemon has left says nothing of now.
    assert facts["waiting"] == facts["trouble"] == []
    with daemon(settings, ledger):
        facts = json.loads(command("status", "--json").out)
    assert facts["daemon"]["running"]
    assert facts["trouble"] == ["the disk is full"]
    assert facts["waiting_files"] == 1
    assert facts["waiting"][0]["file"] == "x.yaml"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"waiting": 5}',
        b"\xff",
        b'{"waiting": [1]}',
        b'{"waiting": [], "waiting_files": 1e999}',
        b'{"waiting": ' + b"[" * 100_000,
    ],
    ids=range(7),
)
def test_status_bears_whatever_lies_on_the_share(
    command: Command, settings: Settings, ledger: Ledger, text: bytes
) -> None:
    (settings.outbox / "status.json").write_bytes(text)
    with daemon(settings, ledger):
        assert command("status").code == 0


def test_status_says_that_the_share_is_gone(
    command: Command, settings: Settings, ledger: Ledger
) -> None:
    settings.outbox.rename(settings.outbox.with_name("away"))
    outcome = command("status")
    assert outcome.code == 0
    assert "is the share mounted?" in " ".join(outcome.out.split())


def test_status_waits_for_no_share_that_does_not_answer(
    command: Command, settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr("atelierd.cli.overview.SHARE_SECONDS", 0.05)
    monkeypatch.setattr("atelierd.cli.overview.check_share", lambda *_: ended.wait())
    assert "the share does not answer" in command("status").out
    ended.set()


def test_jobs_are_listed_the_newest_first_with_their_reasons(
    command: Command, settings: Settings, ledger: Ledger
) -> None:
    assert command("jobs").out == "no jobs\n"
    add(ledger, "[red]alley")
    add(ledger, "typo", failure="no such style\nat all")
    lines = command("jobs").out.splitlines()
    assert lines[1].startswith("typo")
    assert lines[1].endswith("no such style")
    assert lines[2].startswith("[red]alley")
    assert command("jobs", "--state", "held").out == "no job is held\n"
    listed = json.loads(command("jobs", "--state", "failed", "--json").out)
    assert [job["name"] for job in listed] == ["typo"]
    assert command("jobs", "--state", "asleep").code == Exit.USAGE


def test_the_daemon_does_what_it_is_asked_and_the_answer_is_told(
    command: Command, settings: Settings, ledger: Ledger
) -> None:
    add(ledger, "alley")
    with daemon(settings, ledger):
        assert command("hold", "alley").out == "alley is held now\n"
        assert command("release", "id-alley").out == "alley is queued now\n"
        assert command("cancel", "al").out == "alley is cancelled now\n"
        assert command("retry", "alley").out == "alley is queued now\n"


def test_a_refusal_exits_with_1_and_the_others_are_done(
    command: Command, settings: Settings, ledger: Ledger
) -> None:
    add(ledger, "alley")
    add(ledger, "typo", failure="no")
    with daemon(settings, ledger):
        outcome = command("cancel", "typo", "alley")
    assert outcome.code == Exit.FAILED
    assert "typo is failed: nothing to cancel" in outcome.out
    assert "alley is cancelled now" in outcome.out


def test_a_wrong_name_changes_nothing(command: Command, settings: Settings, ledger: Ledger) -> None:
    add(ledger, "alley")
    outcome = command("cancel", "alley", "nosuch")
    assert outcome.code == Exit.FAILED
    assert "nosuch" in outcome.err
    assert ledger.take_requests() == []


def test_without_a_daemon_the_request_waits_for_one(
    command: Command, settings: Settings, ledger: Ledger
) -> None:
    job_id = add(ledger, "alley")
    outcome = command("hold", "alley")
    assert outcome.code == 0
    assert "the daemon is not running" in outcome.out
    assert ledger.job_by_id(job_id).state is JobState.QUEUED
    with daemon(settings, ledger):
        command("hold", "alley")
    assert ledger.job_by_id(job_id).state is JobState.HELD


def test_a_daemon_that_is_slow_to_answer_is_not_waited_for_long(
    command: Command, settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ledger, "alley")
    monkeypatch.setattr(queue, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr("atelierd.cli.overview.running_daemon", lambda _: {"pid": 1})
    outcome = command("hold", "alley")
    assert outcome.code == 0
    assert "has not answered yet" in outcome.out
