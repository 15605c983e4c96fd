"""The inbox under faults of the world, and its use of time."""

import errno
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import WorldFault
from atelierd.inbox import keeper
from atelierd.jobs.presets import shipped_config
from atelierd.share import init_share

World = Any


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EACCES, errno.ENOENT])
def test_rule_06_an_error_of_the_share_pauses_the_inbox_and_it_goes_on_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(_: object) -> Any:
        raise OSError(number, os.strerror(number))

    world.pictures()
    world.job()
    world.turn()
    monkeypatch.setattr(os, "scandir", failing)
    report = world.turn(5)
    assert os.strerror(number) in (report.fault or "")
    assert [wait.path for wait in report.waiting] == ["skyline.yaml"]
    monkeypatch.undo()
    world.turn(1)
    report = world.turn(5)
    assert report.fault is None
    assert report.accepted


def test_rule_06_looks_at_a_failing_share_become_rare(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def failing(*_: object) -> Any:
        nonlocal looks
        looks += 1
        raise WorldFault("gone")

    monkeypatch.setattr(keeper, "check_share", failing)
    for _ in range(600):
        assert world.turn(1).fault == "gone"
    assert 10 <= looks <= 20
    monkeypatch.undo()
    assert world.turn(60).fault is None


def test_rule_11_a_share_that_is_not_mounted_is_not_touched(world: World) -> None:
    world.pictures()
    world.job()
    world.turn()
    mounted = world.inbox.with_name("mounted")
    world.inbox.rename(mounted)
    world.inbox.mkdir()
    report = world.turn(60)
    assert "is the share mounted?" in report.fault
    assert not list(world.inbox.iterdir())
    assert (mounted / "skyline.yaml").exists()
    world.inbox.rmdir()
    mounted.rename(world.inbox)
    world.turn(60)
    report = world.turn(5)
    assert report.fault is None
    assert report.accepted


def test_rule_11_nothing_is_taken_while_the_outbox_is_away(world: World) -> None:
    world.pictures()
    world.job()
    world.turn()
    (world.outbox / ".atelierd-share").rename(world.outbox / "away")
    report = world.turn(60)
    assert "the outbox" in report.fault
    assert (world.inbox / "skyline.yaml").exists()
    (world.outbox / "away").rename(world.outbox / ".atelierd-share")
    world.turn(60)
    assert world.turn(5).accepted


def test_rule_11_another_share_in_the_inboxs_place_is_not_served(
    world: World, tmp_path: Path
) -> None:
    world.turn()
    init_share(tmp_path / "other")
    world.inbox.rename(tmp_path / "away")
    (tmp_path / "other" / "inbox").rename(world.inbox)
    world.job()
    assert "another share" in world.turn(60).fault


@pytest.mark.parametrize("full", ["outbox", "state"])
def test_rule_12_below_the_floor_no_job_is_taken_and_the_queue_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    world.changes["free_space"] = 1 << 20
    usage = shutil.disk_usage
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda path: usage(path)._replace(free=0) if path.name == full else usage(path),
    )
    world.pictures()
    world.job()
    world.turn()
    report = world.turn(60)
    assert "are kept free" in report.fault
    assert not world.jobs()
    assert (world.inbox / "skyline.yaml").exists()
    monkeypatch.undo()
    world.turn(60)
    assert world.turn(5).accepted


def test_a_state_folder_that_fills_up_during_acceptance_loses_and_doubles_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    world.pictures()
    world.job()
    monkeypatch.setattr(os, "fsync", full)
    report = world.settled()
    assert "no space is left" in report.fault
    assert not [path for path in world.state.glob("inputs/**/*") if path.is_file()]
    monkeypatch.undo()
    world.turn(60)
    world.turn(5)
    assert len(world.jobs()) == 1


def test_a_job_whose_claim_the_share_does_not_let_go_is_told_once_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> Any:
        raise OSError(errno.EHOSTDOWN, os.strerror(errno.EHOSTDOWN))

    world.put("skyline.yaml", "content: photo.png\n")
    world.turn()
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing)
        # What nobody is told of is shown nowhere: a refused job would fail without a word.
        (accepted,) = world.turn(5).accepted
        assert "style" in (accepted.failure or "")
        assert not world.turn(60).accepted
    for _ in range(3):
        assert not world.turn(60).accepted
    assert [job.id for job in world.jobs()] == [accepted.job_id]
    assert not list(world.inbox.glob("**/*.yaml"))


def test_rule_18_jobs_that_fail_do_not_stop_the_others(world: World) -> None:
    world.pictures()
    for number in range(4):
        world.put(f"{number}a.yaml", "style: 3\n")
        world.job(f"{number}b.yaml")
    report = world.settled()
    while report.ready:
        report = world.turn()
    assert len(world.jobs()) == 8
    assert len([job for job in world.jobs() if not job.reason]) == 4


def test_a_turn_accepts_no_longer_than_its_box_and_goes_on_at_the_next(world: World) -> None:
    world.pictures()
    for number in range(7):
        world.job(f"{number}.yaml")
    world.turn()
    ticks = iter(range(10_000))
    world.daemon.clock = lambda: 0.2 * next(ticks)
    report = world.turn(5)
    assert [job.source for job in report.accepted] == ["0.yaml", "1.yaml", "2.yaml"]
    assert report.ready == 4
    assert [job.source for job in world.turn(0.1).accepted] == ["3.yaml", "4.yaml", "5.yaml"]


def test_while_many_are_being_accepted_newcomers_begin_to_settle(world: World) -> None:
    world.changes["acceptance_box"] = timedelta()
    world.pictures()
    for number in range(40):
        world.job(f"{number:02}.yaml")
    world.settled()
    world.job("00-urgent.yaml")
    accepted = []
    for _ in range(24):
        accepted += [job.source for job in world.turn(0.5).accepted]
    assert "00-urgent.yaml" in accepted
    assert len(accepted) == 24


def test_a_broken_preset_holds_back_only_the_jobs_that_use_it(world: World, tmp_path: Path) -> None:
    presets = tmp_path / "presets"
    presets.mkdir()
    (presets / "glossy.yaml").write_text("size: huge\n")
    world.changes["presets"] = (presets, shipped_config() / "presets")
    world.pictures()
    world.job("a.yaml", "preset: glossy\n")
    world.job("b.yaml")
    report = world.settled()
    assert [job.source for job in report.accepted] == ["b.yaml"]
    assert "size: found 'huge'" in report.waiting[0].reason
    (presets / "glossy.yaml").write_text("size: 256\n")
    world.turn(1)
    assert [job.source for job in world.turn(5).accepted] == ["a.yaml"]


def test_a_job_name_cannot_forge_a_line_of_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    world.pictures()
    world.job("a\nERROR all is lost.yaml")
    report = world.turn()
    assert report.waiting[0].path == "a\\nERROR all is lost.yaml"
    world.turn(5)
    assert world.jobs()
    assert not [record for record in caplog.records if "\n" in record.getMessage()]


def test_rule_03_a_picture_that_goes_after_a_long_copy_has_its_time_to_come_again(
    world: World,
) -> None:
    world.picture("photo.png")
    world.job()
    for size in range(1, 10):
        picture = world.put("art/starry.png", b"x" * size)
        assert not world.turn(300).accepted
    picture.unlink()
    assert not world.turn(5).accepted
    assert not world.turn(30 * 60 - 1).accepted
    world.picture("art/starry.png")
    world.turn(1)
    assert [one.failure for one in world.turn(5).accepted] == [None]
