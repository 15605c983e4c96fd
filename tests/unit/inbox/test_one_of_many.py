"""One job file that cannot be dealt with, by the disk's fault or by ours, never stops the others.

Rule 18.
"""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from atelierd import durable
from atelierd.inbox import accept, inputs, waiting
from atelierd.inbox.handles import read_whole
from atelierd.inbox.readings import WaitKind
from atelierd.ledger.states import JobState
from atelierd.worldfaults import as_world_fault

World = Any


def broken_disk(number: int = errno.EIO) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.fixture
def two_jobs(world: World) -> Path:
    world.pictures()
    world.job("good.yaml")
    path: Path = world.job("bad.yaml")
    return path


def test_rule_18_a_job_file_that_the_disk_cannot_read_waits_and_the_others_are_accepted(
    world: World, two_jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_whole

    def reading(folder: int, name: str, longest: int) -> Any:
        if name == "bad.yaml":
            raise broken_disk()
        return read(folder, name, longest)

    monkeypatch.setattr(waiting, "read_whole", reading)
    report = world.settled()
    assert report.fault is None
    assert [one.source for one in report.accepted] == ["good.yaml"]
    (wait,) = report.waiting
    assert wait.kind is WaitKind.FAILING
    assert "the disk or the server reports an error" in wait.reason
    monkeypatch.undo()
    assert [one.source for one in world.turn(5).accepted] == ["bad.yaml"]


def test_rule_18_a_picture_that_the_disk_cannot_read_keeps_only_its_own_job_waiting(
    world: World, two_jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_jobs.write_text("content: broken.png\nstyle: art/starry.png\n")
    world.picture("broken.png", "green")
    pour = inputs._pour

    def pouring(file: Any, name: str, copy: Any) -> str:
        if name == "broken.png":
            with as_world_fault(name):
                raise broken_disk()
        return pour(file, name, copy)

    monkeypatch.setattr(inputs, "_pour", pouring)
    report = world.settled()
    assert report.fault is None
    assert [one.source for one in report.accepted] == ["good.yaml"]
    assert [one.kind for one in report.waiting] == [WaitKind.FAILING]
    monkeypatch.undo()
    world.turn(5)
    world.turn(5)
    assert {job.source for job in world.jobs()} == {"good.yaml", "bad.yaml"}


def test_a_fault_of_one_file_is_the_shares_if_nothing_can_be_written_there(
    world: World, two_jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Any:
        raise broken_disk(errno.EROFS)

    monkeypatch.setattr(os, "rename", failing)
    monkeypatch.setattr(durable, "write_bytes", failing)
    report = world.settled()
    assert "read-only" in (report.fault or "")
    assert not report.accepted


@pytest.mark.parametrize("where", [waiting, accept])
def test_rule_18_a_bug_of_ours_fails_the_job_that_it_is_met_at_and_no_other(
    world: World, two_jobs: Path, monkeypatch: pytest.MonkeyPatch, where: Any
) -> None:
    read = where.read_job

    def reading(data: bytes, name: str) -> Any:
        if name == "bad.yaml":
            raise ZeroDivisionError("a\nb")
        return read(data, name)

    monkeypatch.setattr(where, "read_job", reading)
    report = world.settled()
    assert report.fault is None
    states = {job.source: job.state for job in world.jobs()}
    assert states == {"good.yaml": JobState.QUEUED, "bad.yaml": JobState.FAILED}
    (reason,) = [one.failure for one in report.accepted if one.failure]
    assert reason == (
        "bad.yaml: atelierd itself failed at this job (ZeroDivisionError: a\\nb); please report it"
    )
