"""`doctor DIR`: what it says of what it finds."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd.cli.doctor_share import ShareExamination
from atelierd.cli.findings import Finding, Level
from atelierd.exits import Exit
from atelierd.ledger.place import Mount
from atelierd.settings import ShareSettings
from atelierd.sharecheck import trials
from atelierd.sharecheck.measures import Events, Names, Pace, Renames, Syncs, Times

Command = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def found_in(
    examination: ShareExamination, monkeypatch: pytest.MonkeyPatch, **measured: Any
) -> dict[str, Finding]:
    """Return findings by topic, the last of each, with these trials' outcomes."""
    for name, outcome in measured.items():
        monkeypatch.setattr(trials, name, lambda _, outcome=outcome: outcome)
    return {finding.topic: finding for finding in examination.findings()}


def test_a_disk_in_order_is_measured_and_nothing_is_left(command: Command, folder: Path) -> None:
    (folder / "photo.png").write_bytes(b"theirs")
    outcome = command("doctor", str(folder))
    assert outcome.code == 0
    assert outcome.out.endswith("\nshare:\n  settle: 2 s\n  scan_interval: 5 s\n")
    for topic in ("rename", "fsync", "clock", "names", "events", "speed", "scan", "free space"):
        assert f"\nok   {topic}" in outcome.out
    assert "torch" not in outcome.out
    assert [path.name for path in folder.iterdir()] == ["photo.png"]


def test_json_holds_the_findings_and_the_proposals(command: Command, folder: Path) -> None:
    found = {one["topic"]: one for one in json.loads(command("doctor", str(folder), "--json").out)}
    assert found["settle"]["text"].startswith("2 s: ")
    assert found["scan_interval"]["level"] == "ok"


def test_a_folder_that_is_not_there_is_wrong(command: Command, tmp_path: Path) -> None:
    outcome = command("doctor", str(tmp_path / "none"))
    assert outcome.code == Exit.FAILED
    assert "No such file or directory" in outcome.out
    assert command("doctor", "--through", str(tmp_path)).code == 2


def test_the_configuration_is_compared_where_it_names_the_folder(
    command: Command, tmp_path: Path
) -> None:
    command("init", "share", "--state", "state")
    config = tmp_path / "atelierd.yaml"
    config.write_text(f"{config.read_text()}\nshare: {{settle: 500 ms, scan_interval: 30 s}}\n")
    found = {
        one["topic"]: one for one in json.loads(command("doctor", "share/inbox", "--json").out)
    }
    assert found["settle"]["level"] == "warn"
    assert "The configuration says 0.5 s" in found["settle"]["text"]
    assert found["scan_interval"]["level"] == "ok"
    assert "The configuration says 30 s, which will do" in found["scan_interval"]["text"]


def test_what_no_daemon_can_work_with_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examination = ShareExamination(folder)
    found = found_in(examination, monkeypatch, renames=Renames(False, True, True, 0))
    assert found["rename"].level is Level.FAIL
    found = found_in(examination, monkeypatch, renames=Renames(True, False, True, 0))
    assert found["rename"].level is Level.FAIL
    found = found_in(examination, monkeypatch, pace=Pace(1e6, 1e6, whole=False))
    assert found["speed"].level is Level.FAIL
    assert examination.proposals


def test_what_could_be_better_is_told_with_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = found_in(
        ShareExamination(folder),
        monkeypatch,
        renames=Renames(True, True, True, 7),
        syncs=Syncs("Operation not supported", None, 0.004),
        times=Times(-75.0, 2.0),
        names=Names(True, True, "decomposed", ("emoji",), 255),
        events=Events(None),
    )
    for topic in ("rename", "fsync", "clock", "names", "events"):
        assert found[topic].level is Level.WARN
        assert found[topic].advice
    assert "missing or half 7 times while it was replaced 60 times" in found["rename"].text
    assert "75.0 s behind this machine's; times are kept to 2 s" in found["clock"].text
    assert "one file" in found["names"].text
    assert "Not taken as they are: emoji" in found["names"].text
    assert found["settle"].text.startswith("5 s: ")


def test_of_a_network_file_system_it_says_what_cannot_be_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = Mount("/", "nfs4", "nas:/data", ("rw", "vers=4.2"))
    monkeypatch.setattr("atelierd.cli.doctor_share.find_mount", lambda *_: mount)
    found = found_in(ShareExamination(folder), monkeypatch, events=Events(0.01))
    assert found["folder"].text.endswith("on nfs4 (nas:/data), shared with other machines")
    assert "none can come of what other machines do on nfs4" in found["events"].text
    assert "up to 60 s late" in found["attributes"].text
    assert "from one mount that cannot be" in found["attributes"].text
    assert found["attributes"].advice == "mount it with actimeo=3"
    assert found["settle"].text.startswith("5 s: ")
    assert found["scan_interval"].text.startswith("30 s: ")


def test_a_trial_that_fails_does_not_end_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(trials, "pace", full)
    found = {finding.topic: finding for finding in ShareExamination(folder).findings()}
    assert found["speed"].level is Level.FAIL
    assert "free some" in found["speed"].advice
    assert found["scan"].level is Level.OK
    assert not list(folder.iterdir())


def test_too_little_room_is_wrong(folder: Path) -> None:
    settings = ShareSettings.model_validate({"free_space": 10**18})
    examination = ShareExamination(folder, settings=settings)
    found = {finding.topic: finding for finding in examination.findings()}
    assert found["free space"].level is Level.FAIL


def test_a_share_that_does_not_answer_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "syncs", lambda _: time.sleep(30))
    found = list(ShareExamination(folder, patience=0.5).findings())
    assert "no answer within" in found[-1].text
    assert found[-1].level is Level.FAIL
    assert not list(folder.iterdir())


def test_what_cannot_be_removed_is_named(folder: Path) -> None:
    examination = ShareExamination(folder)
    findings = examination.findings()
    next(findings)
    (ground,) = folder.iterdir()
    (ground / "theirs").mkdir()
    found = list(findings)[-1]
    assert found.level is Level.WARN
    assert str(ground) in found.text
    (ground / "theirs").rmdir()
    for path in ground.iterdir():
        path.unlink()
