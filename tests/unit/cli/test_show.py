from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.cli import show
from atelierd.exits import Exit
from atelierd.ledger import Ledger
from atelierd.ledger.rows import FrozenInput, JobRow, NewJob, NewRender, Progress
from atelierd.ledger.states import Outcome
from atelierd.outbox.folder import open_job_folder
from atelierd.schedule.timetable import Wishes

Command = Callable[..., Any]


@pytest.fixture
def ledger(command: Command, tmp_path: Path) -> Iterator[Ledger]:
    command("init", "share", "--state", "state")
    (tmp_path / "state").mkdir()
    ledger = Ledger.open(tmp_path / "state" / "ledger.sqlite")
    yield ledger
    ledger.close()


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "share" / "outbox"


def add(ledger: Ledger, name: str = "skyline", renders: int = 2, **more: Any) -> JobRow:
    return ledger.add_job(
        NewJob(
            id=more.pop("id", f"id-{name}"),
            name=name,
            source=f"anna/{name}.yaml",
            submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
            job_file_sha256="0",
            renders=tuple(NewRender(f"picture {n}", "{}", 200) for n in range(renders)),
            inputs=(FrozenInput("ab" * 32, "art/starry.jpg", 1_234_000),),
            **{"settings": '{"size": [640, 480], "iterations": 200}', **more},
        )
    )


def painted(ledger: Ledger, job: JobRow) -> None:
    """One render done at the second attempt, one failed."""
    first, second = f"{job.id}.0", f"{job.id}.1"
    ledger.begin_attempt(first, 11)
    ledger.requeue_render(first, Outcome.NODE_FAULT, "the worker died: signal 9")
    ledger.begin_attempt(first, 12)
    ledger.progress(first, Progress(200, 215, 331_114.0, 61.5, 0, 1))
    ledger.finish_render(first)
    ledger.begin_attempt(second, 12)
    ledger.fail_render(second, "art/starry.jpg: the file is cut off")


def test_all_about_a_job_is_told(command: Command, ledger: Ledger, outbox: Path) -> None:
    job = add(ledger, priority=3)
    painted(ledger, job)
    open_job_folder(outbox, job, b"content: a\n")
    outcome = command("show", "sky")
    assert outcome.code == 0
    said = " ".join(outcome.out.split())
    for words in (
        "id id-skyline",
        "state failed picture 1: art/starry.jpg: the file is cut off",
        "job file anna/skyline.yaml",
        f"folder {outbox / 'skyline'}",
        "priority 3",
        "settings size: 640x480 iterations: 200",
        "picture 0 done 200/200 331,114 61.5",
        "picture 1 failed",
        "1 of picture 0",
        "node fault the worker died: signal 9",
        "art/starry.jpg 1.2 MB SHA-256 abababababababab…",
        "job.original.yaml",
    ):
        assert words in said, words


def test_in_json_it_is_all_there(command: Command, ledger: Ledger, outbox: Path) -> None:
    job = add(ledger)
    painted(ledger, job)
    open_job_folder(outbox, job, b"content: a\n")
    facts = json.loads(command("show", "skyline", "--json").out)
    assert facts["state"] == "failed" and facts["settings"]["iterations"] == 200
    outcomes = [one["outcome"] for one in facts["renders"][0]["attempts"]]
    assert outcomes == ["node fault", "finished"]
    assert facts["renders"][1]["reason"] == "art/starry.jpg: the file is cut off"
    assert facts["inputs"] == [{"path": "art/starry.jpg", "size": 1_234_000, "sha256": "ab" * 32}]
    assert facts["files"] == [{"name": "job.original.yaml", "size": 11}]
    assert facts["folder_fault"] == ""


def test_a_job_that_was_never_begun_has_little_to_tell(command: Command, ledger: Ledger) -> None:
    add(ledger)
    out = command("show", "skyline").out
    assert "queued" in out and "picture 1" in out
    assert "attempt " not in out and "not there any more" in " ".join(out.split())


def test_a_refused_job_shows_every_line_of_its_reason(command: Command, ledger: Ledger) -> None:
    add(
        ledger,
        renders=0,
        failure="line 1, stile: unknown key\nline 2, size: found -5",
        settings="{}",
    )
    out = command("show", "skyline").out
    assert "line 1, stile: unknown key" in out and "line 2, size: found -5" in out


def test_what_lies_in_the_folder_steers_no_terminal_and_blocks_nothing(
    command: Command, ledger: Ledger, outbox: Path
) -> None:
    job = add(ledger, name="\x1b[31mred[/]", id="a1")
    folder = open_job_folder(outbox, job, b"").path
    (folder / "a\x1b[2Jb\nc.png").write_bytes(b"x")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "deep").mkdir()
    out = command("show", "a1").out
    assert "\x1b" not in out and r"a\x1b[2Jb\nc.png" in out
    facts = json.loads(command("show", "a1", "--json").out)
    assert [one["name"] for one in facts["files"]] == ["a\x1b[2Jb\nc.png", "job.original.yaml"]


def test_a_share_that_does_not_answer_keeps_nobody(
    command: Command, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr("atelierd.cli.jobfacts.SHARE_SECONDS", 0.05)
    monkeypatch.setattr("atelierd.cli.jobfacts._files", lambda _: ended.wait())
    add(ledger)
    assert "the share does not answer" in command("show", "skyline").out
    ended.set()


def test_a_share_that_is_gone_is_told(command: Command, ledger: Ledger, outbox: Path) -> None:
    add(ledger)
    outbox.rename(outbox.with_name("away"))
    facts = json.loads(command("show", "skyline", "--json").out)
    assert "is the share mounted?" in facts["folder_fault"]


def test_long_lists_are_cut_for_people_and_whole_in_json(
    command: Command, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "LISTED_AT_MOST", 3)
    add(ledger, renders=5)
    out = command("show", "skyline").out
    assert "picture 2" in out and "picture 3" not in out
    assert "and 2 more renders; --json has all" in out
    assert len(json.loads(command("show", "skyline", "--json").out)["renders"]) == 5


def test_a_name_that_fits_none_or_several_is_refused(command: Command, ledger: Ledger) -> None:
    for name in ("skyline", "skyscraper"):
        add(ledger, name=name)
    for wrong, words in (("bridge", "no job is called"), ("sky", "more than one job")):
        outcome = command("show", wrong)
        assert outcome.code == Exit.FAILED
        assert words in outcome.err


def test_a_job_says_when_it_may_be_worked_on_and_when_it_is_done(
    command: Command, ledger: Ledger
) -> None:
    moment = datetime.now(UTC) + timedelta(days=3)
    add(ledger, wishes=Wishes(moment, "00:00-24:00", moment + timedelta(days=1)))
    ledger.foretell({"id-skyline.0": 60.0, "id-skyline.1": 60.0})
    told = command("show", "skyline").out
    assert f"not before  {moment.astimezone():%Y-%m-%d %H:%M:%S}" in told
    assert "window      00:00-24:00" in told and "deadline    " in told
    assert "expected    waits until " in told and ", done " in told and "; wanted by " in told


def test_a_job_that_was_done_too_late_says_by_how_much(command: Command, ledger: Ledger) -> None:
    job = add(ledger, renders=1, wishes=Wishes(deadline=datetime.now(UTC) - timedelta(hours=2)))
    ledger.begin_attempt(f"{job.id}.0", 11)
    ledger.finish_render(f"{job.id}.0")
    assert re.search(r"late +2 h 10 min after its deadline", command("show", "skyline").out)
    facts = json.loads(command("show", "--json", "skyline").out)
    assert facts["late"] == "2 h 10 min after its deadline" and "expected" not in facts
