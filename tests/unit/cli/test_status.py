"""`status --watch`: on a screen, in a pipe, in JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender

Command = Callable[..., Any]


@pytest.fixture
def ledger(command: Command, tmp_path: Path) -> Iterator[Ledger]:
    command("init", "share", "--state", "state")
    (tmp_path / "state").mkdir()
    ledger = Ledger.open(tmp_path / "state" / "ledger.sqlite")
    yield ledger
    ledger.close()


def add(ledger: Ledger, name: str) -> None:
    ledger.add_job(
        NewJob(
            id=name,
            name=name,
            source=f"{name}.yaml",
            submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
            job_file_sha256="0",
            renders=(NewRender("picture", "{}", 200),),
        )
    )


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that says what happens during each pause; then comes Ctrl-C."""

    def during(*steps: Callable[[], None]) -> None:
        left = list(steps)

        def sleep(_: float) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        monkeypatch.setattr("atelierd.cli.status.time.sleep", sleep)

    return during


Meanwhile = Callable[..., None]


def nothing() -> None:
    pass


def test_in_a_pipe_it_is_printed_again_when_it_has_changed(
    command: Command, ledger: Ledger, meanwhile: Meanwhile
) -> None:
    meanwhile(nothing, lambda: add(ledger, "alley"), nothing)
    outcome = command("status", "--watch")
    assert outcome.code == 0
    first, second = outcome.out.split("\n\n")
    assert "none yet" in first
    assert "1 job: alley" in second


def test_in_json_each_line_is_an_answer(
    command: Command, ledger: Ledger, meanwhile: Meanwhile
) -> None:
    meanwhile(nothing, lambda: add(ledger, "alley"), nothing, lambda: add(ledger, "bridge"))
    outcome = command("status", "--watch", "--json")
    answers = [json.loads(line) for line in outcome.out.splitlines()]
    assert [answer["jobs"]["queued"] for answer in answers] == [0, 1, 2]
    assert answers[0].keys() == json.loads(command("status", "--json").out).keys()


def test_on_a_screen_it_is_drawn_anew_and_left_there(
    command: Command, ledger: Ledger, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    meanwhile(lambda: add(ledger, "alley"))
    outcome = command("status", "-w")
    assert outcome.code == 0
    assert "1 job: alley" in outcome.out
    assert outcome.out.rindex("\x1b[?25h") > outcome.out.index("\x1b[?25l"), "the cursor is back"


def test_jobs_say_when_they_are_done(command: Command, ledger: Ledger, tmp_path: Path) -> None:
    add(ledger, "alley")
    with (tmp_path / "atelierd.yaml").open("a") as file:
        # Never the day that it is, nor the next one.
        day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
        file.write(f"schedule: {{time_zone: UTC, windows: {{later: {day}}}}}\n")
    outcome = command("status")
    assert "alley: waits until " in outcome.out and "done" not in outcome.out
    ledger.foretell({"alley.0": 3600.0})
    outcome = command("status")
    assert ", done " in outcome.out and "01:00" in outcome.out
    facts = json.loads(command("status", "--json").out)
    assert facts["state"] == "resting"
    assert facts["queue"][0]["expected_end"].endswith("01:00:00+00:00")
