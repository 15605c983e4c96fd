"""Rules 1 to 5, seen from outside: what is dropped, and what the daemon says and takes."""

import errno
import os
import socket
from datetime import timedelta
from typing import Any

import pytest

from atelierd.inbox import waiting
from atelierd.inbox.readiness import identity_of
from atelierd.inbox.readings import WaitKind
from atelierd.inbox.waiting import in_words
from atelierd.jobs.frozen import FrozenRender
from atelierd.jobs.paths import Root
from atelierd.jobs.reader import read_job
from atelierd.ledger.states import JobState

World = Any


def test_rule_01_a_plain_copy_is_taken_when_it_has_settled(world: World) -> None:
    world.pictures()
    world.turn()
    world.job()
    (wait,) = world.turn(60).waiting
    assert wait.kind is WaitKind.SETTLING
    assert not world.turn(4.9).accepted
    assert [job.source for job in world.turn(0.2).accepted] == ["skyline.yaml"]


def test_rule_01_files_found_at_start_get_the_same_test(world: World) -> None:
    world.pictures()
    world.job()
    assert not world.turn().accepted
    world.stop()
    assert not world.turn(60).accepted
    assert world.turn(5).accepted


def test_rule_01_a_job_file_written_a_byte_a_second_is_taken_once_and_whole(world: World) -> None:
    world.pictures()
    text = world.job(more="iterations: 40\n").read_bytes()
    path = world.put("skyline.yaml")
    for byte in text:
        with path.open("ab") as file:
            file.write(bytes([byte]))
        assert not world.turn(1).accepted
    (wait,) = world.turn(1).waiting
    assert wait.waited >= timedelta(seconds=len(text))
    (accepted,) = world.turn(5).accepted
    (render,) = world.ledger.renders(accepted.job_id)
    assert render.iterations == 40


def test_rule_01_a_picture_that_is_still_being_copied_holds_its_job_back(world: World) -> None:
    world.pictures()
    world.job()
    world.turn()
    for _ in range(4):
        with (world.inbox / "photo.png").open("ab") as file:
            file.write(b"more")
        report = world.turn(4)
        assert not report.accepted
    assert "photo.png to be copied" in report.waiting[0].reason
    assert world.turn(5).accepted


def test_a_picture_that_breaks_off_is_waited_for_however_quiet_it_is(world: World) -> None:
    world.pictures()
    world.job()
    photo = world.inbox / "photo.png"
    whole = photo.read_bytes()
    photo.write_bytes(whole[: len(whole) // 2])
    world.turn()
    (wait,) = world.turn(60).waiting
    assert wait.kind is WaitKind.SETTLING
    assert wait.reason == "waiting for the rest of photo.png, which breaks off"
    photo.write_bytes(whole)
    assert not world.turn(1).accepted
    assert world.turn(5).accepted


def test_a_picture_that_never_comes_whole_does_not_keep_its_job_for_ever(world: World) -> None:
    world.pictures()
    world.job()
    photo = world.inbox / "photo.png"
    photo.write_bytes(photo.read_bytes()[:-1])
    world.turn()
    assert not world.turn(5).accepted
    assert not world.turn(144).accepted
    (accepted,) = world.turn(2).accepted
    assert accepted.renders == 1


def test_rule_02_what_is_renamed_from_temporary_names_is_taken_at_once(world: World) -> None:
    temporary = [
        world.job(".skyline.yaml.tmp"),
        world.picture("photo.png.part"),
        world.picture("art/~starry.png", "blue"),
    ]
    assert not world.turn().accepted
    for path, name in zip(temporary, ("skyline.yaml", "photo.png", "art/starry.png"), strict=True):
        path.rename(world.inbox / name)
    (accepted,) = world.turn(0.1).accepted
    assert accepted.source == "skyline.yaml"


def test_rule_02_renames_that_the_kernel_reported_count_at_once(world: World) -> None:
    world.pictures()
    world.job()
    for folder, name in (("", "skyline.yaml"), ("", "photo.png"), ("art", "starry.png")):
        identity = identity_of((world.inbox / folder / name).stat())
        world.arrivals.setdefault(folder, set()).add(identity)
    assert world.turn().accepted


def test_rule_02_a_write_after_the_rename_has_to_settle(world: World) -> None:
    world.pictures()
    temporary = world.job("skyline.yaml.part")
    world.turn()
    path = temporary.rename(world.inbox / "skyline.yaml")
    with path.open("a") as file:
        file.write("size: 256\n")
    assert not world.turn(5).accepted
    assert not world.turn(4.9).accepted
    assert world.turn(0.1).accepted


def test_rule_02_a_name_that_is_no_temporary_one_proves_nothing(world: World) -> None:
    world.pictures()
    other = world.job("skyline.txt")
    world.turn()
    other.rename(world.inbox / "skyline.yaml")
    assert not world.turn(5).accepted


def test_rule_03_a_missing_picture_is_waited_for_visibly(world: World) -> None:
    world.picture("photo.png")
    world.job()
    world.settled()
    (wait,) = world.turn(12 * 60).waiting
    assert str(wait) == "skyline.yaml: waiting for art/starry.png, 12 min"
    assert wait.kind is WaitKind.MISSING
    world.picture("art/starry.png")
    assert world.turn(1).waiting[0].kind is WaitKind.SETTLING
    assert world.turn(5).accepted


def test_rule_03_a_picture_that_does_not_come_fails_its_job_with_that_reason(world: World) -> None:
    world.picture("photo.png")
    world.job("anna/skyline.yaml")
    world.settled()
    assert not world.turn(30 * 60 - 1).accepted
    (accepted,) = world.turn(1).accepted
    assert accepted.failure == (
        "anna/skyline.yaml: given up after 30 min of waiting for art/starry.png; put it there, "
        "then put the job file into the inbox again"
    )
    (job,) = world.jobs()
    assert (job.state, job.reason) == (JobState.FAILED, accepted.failure)
    assert world.files() >= {"photo.png"}
    assert not list(world.inbox.glob("**/*.yaml"))


def test_rule_03_time_during_which_the_share_is_away_is_no_wait(world: World) -> None:
    world.picture("photo.png")
    world.job()
    world.settled()
    marker = world.inbox / ".atelierd-share"
    marker.rename(world.inbox / "away")
    assert world.turn(60).fault
    assert world.turn(8 * 3600).fault
    (world.inbox / "away").rename(marker)
    report = world.turn(60)
    assert not report.fault
    assert not report.accepted
    assert world.turn(30 * 60).accepted


def test_rule_03_a_corrected_job_file_is_waited_for_anew(world: World) -> None:
    world.picture("photo.png")
    world.job()
    world.settled()
    world.turn(29 * 60)
    world.job(more="size: 256\n")
    world.turn(5)
    assert not world.turn(29 * 60).accepted


def test_rule_03_an_empty_picture_is_one_that_has_not_come(world: World) -> None:
    world.pictures()
    world.put("photo.png")
    world.job()
    world.settled()
    (wait,) = world.turn(60).waiting
    assert wait.reason == "waiting for photo.png, which is empty"
    assert "photo.png, which is empty" in world.turn(1800).accepted[0].failure


def test_rule_03_all_that_is_missing_is_named(world: World) -> None:
    world.put("skyline.yaml", "content: [a.png, 'b*.png']\nstyle: {c.png: 1, d.png: 2}\n")
    (wait,) = world.settled().waiting
    assert wait.reason == "waiting for a.png, c.png, d.png"


def test_rule_03_a_missing_mask_is_waited_for_as_a_picture_is(world: World) -> None:
    world.pictures()
    world.job(more="masks: [{content: sky.png, style: clouds.png}]\n")
    (wait,) = world.settled().waiting
    assert (wait.kind, wait.reason) == (WaitKind.MISSING, "waiting for sky.png, clouds.png")
    world.picture("sky.png", "white")
    world.picture("clouds.png", "white")
    assert not world.turn(1).accepted
    assert world.turn(5).accepted


def test_rule_03_the_files_of_a_pattern_are_waited_for_until_no_more_come(world: World) -> None:
    world.picture("art/starry.png")
    world.put("skyline.yaml", "content: photos/*.png\nstyle: art/starry.png\n")
    assert "photos/*.png" in world.settled().waiting[0].reason
    for number in range(4):
        world.picture(f"photos/{number}.png")
        assert not world.turn(4).accepted
    (accepted,) = world.turn(5).accepted
    assert accepted.renders == 4


def test_rule_03_paths_are_taken_from_the_job_files_folder_then_from_the_inbox(
    world: World,
) -> None:
    world.pictures()
    world.picture("anna/photo.png", "green")
    world.job("anna/skyline.yaml")
    (accepted,) = world.settled().accepted
    (render,) = world.ledger.renders(accepted.job_id)
    frozen = FrozenRender.model_validate_json(render.spec)
    assert frozen.content.path == "anna/photo.png"
    assert frozen.styles[0].path == "art/starry.png"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("content: photo.png\nstyle:", "it breaks off (line 2, style: the value is missing)"),
        ("content: photo.png\nstyle: [art/starry.png, ", "it breaks off (line 2, "),
        ('content: photo.png\nstyle: "art/sta', "it breaks off (line 2, "),
        ("content:photo.png\nstyle:art/", "it breaks off (found no keys; a key ends with a colon"),
    ],
)
def test_rule_04_an_empty_or_cut_off_job_file_is_waited_for(
    world: World, text: str, reason: str
) -> None:
    world.pictures()
    world.put("skyline.yaml", text)
    (wait,) = world.settled().waiting
    assert wait.reason.startswith(f"waiting for the rest of the job file: {reason}")
    assert wait.kind is WaitKind.MISSING
    world.job()
    assert not world.turn(60).accepted
    assert world.turn(5).accepted[0].failure is None


def test_rule_04_a_cut_off_job_file_fails_in_the_end_with_the_line(world: World) -> None:
    world.pictures()
    world.put("skyline.yaml", "content: photo.png\nstyle:")
    world.settled()
    (accepted,) = world.turn(30 * 60).accepted
    assert accepted.failure.startswith(
        "skyline.yaml: given up after 30 min of waiting for the rest"
    )
    assert accepted.failure.endswith("it breaks off (line 2, style: the value is missing)")


def test_rule_04_nothing_is_done_by_a_job_file_that_still_changes(world: World) -> None:
    """Each of the states parses; only the last is the job."""
    world.pictures()
    world.picture("photo.pn")
    for text in ("content: photo.pn", "content: photo.png", "content: photo.png\nstyle: art/"):
        world.put("skyline.yaml", text)
        report = world.turn(4)
        assert not report.accepted
        assert not world.jobs()
    world.job()
    world.turn(4)
    assert world.turn(5).accepted[0].failure is None


def test_a_wrong_job_file_fails_as_soon_as_it_is_quiet(world: World) -> None:
    world.put("skyline.yaml", "content: photo.png\nstyle: art/starry.png\nsize: -5\n")
    (accepted,) = world.settled().accepted
    assert "line 3" in accepted.failure
    assert "-5" in accepted.failure


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "link"])
def test_rule_05_what_is_no_file_is_passed_over_visibly_and_the_next_job_is_taken(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pictures()
    real = world.job("real.yaml")
    path = world.inbox / "x.yaml"
    monkeypatch.chdir(world.inbox)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.bind("x.yaml")
    else:
        path.symlink_to(real)
    report = world.settled()
    assert [job.source for job in report.accepted] == ["real.yaml"]
    (wait,) = report.waiting
    assert (wait.path, wait.kind) == ("x.yaml", WaitKind.PASSED_OVER)
    assert path.name in os.listdir(world.inbox)  # noqa: PTH208


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (errno.EACCES, WaitKind.PASSED_OVER, "may not be read by the daemon"),
        (errno.EBUSY, WaitKind.SETTLING, "is held by another program"),
    ],
)
def test_a_job_file_that_cannot_be_opened_waits_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int, kind: WaitKind, reason: str
) -> None:
    real = os.open

    def refusing(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "a.yaml":
            raise OSError(number, os.strerror(number))
        return real(path, *arguments, **options)

    world.pictures()
    world.job("a.yaml")
    world.job("b.yaml")
    monkeypatch.setattr(os, "open", refusing)
    report = world.settled()
    assert [job.source for job in report.accepted] == ["b.yaml"]
    (wait,) = report.waiting
    assert (wait.path, wait.kind) == ("a.yaml", kind)
    assert wait.reason.startswith(reason)
    monkeypatch.undo()
    assert world.turn(1).accepted


def test_what_is_far_too_big_for_a_job_file_is_left_where_it_lies(world: World) -> None:
    world.pictures()
    world.job()
    big = world.inbox / "backup.yaml"
    with big.open("wb") as file:
        file.truncate(waiting.LARGEST_JOB_FILE + 1)
    report = world.settled()
    assert [job.source for job in report.accepted] == ["skyline.yaml"]
    assert report.waiting[0].kind is WaitKind.PASSED_OVER
    assert big.exists()


def test_thousands_of_waiting_job_files_are_parsed_once_and_cost_no_look_for_their_pictures(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {"read": 0, "look": 0}
    look = Root.find

    def counting_read(*arguments: Any) -> Any:
        calls["read"] += 1
        return read_job(*arguments)

    def counting_look(*arguments: Any) -> Any:
        calls["look"] += 1
        return look(*arguments)

    monkeypatch.setattr(waiting, "read_job", counting_read)
    monkeypatch.setattr(Root, "find", counting_look)
    for number in range(5000):
        world.put(f"{number}.yaml", f"content: photo{number}.png\nstyle: starry.png\n")
    assert len(world.settled().waiting) == 5000
    assert len(world.turn(60).waiting) == 5000
    assert calls == {"read": 5000, "look": 0}


def test_reading_new_job_files_stops_for_this_scan_when_its_time_is_over(world: World) -> None:
    world.pictures()
    for number in range(10):
        world.job(f"{number}.yaml")
    ticks = iter(range(1000))
    world.daemon.clock = lambda: 0.1 * next(ticks)
    world.daemon._judge.clock = world.daemon.clock
    first = world.turn()
    assert any(wait.reason == "waiting to be read" for wait in first.waiting)
    accepted = 0
    for _ in range(40):
        accepted += len(world.turn(5).accepted)
    assert accepted == 10


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (725, "12 min"), (11_100, "3 h 5 min")],
)
def test_durations_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words
