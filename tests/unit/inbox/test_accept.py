"""Rules 7 to 9: what acceptance makes of a job, also when it is killed on the way."""

import errno
import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.inbox import accept
from atelierd.inbox.readings import WaitKind
from atelierd.jobs.expand import expand
from atelierd.jobs.frozen import FrozenRender, input_path, job_file_path
from atelierd.ledger.states import JobState

World = Any

#: Every step between "file seen" and "job in the ledger", in order.
FAILPOINTS = [
    "accept.seen",
    "accept.judged",
    "accept.folder_made",
    "accept.renamed",
    "accept.claimed",
    "accept.input_copied",
    "accept.input_copied:2",
    "accept.input_frozen",
    "accept.input_frozen:2",
    "accept.job_file_frozen",
    "accept.frozen",
    "accept.recorded",
    "accept.released",
    "accept.ended",
]
PEOPLES = {"photo.png", "art", "art/starry.png"}
OURS = {".atelierd", ".atelierd/taken"}


def _frozen(world: World, job_id: str) -> list[FrozenRender]:
    return [FrozenRender.model_validate_json(one.spec) for one in world.ledger.renders(job_id)]


def test_an_accepted_job_leaves_the_inbox_and_the_pictures_stay(world: World) -> None:
    world.pictures()
    text = world.job("anna/skyline.yaml", "name: My skyline\npriority: 7\n").read_bytes()
    (accepted,) = world.settled().accepted
    assert world.files() == PEOPLES | OURS | {"anna"}
    (job,) = world.jobs()
    assert (job.id, job.source) == (accepted.job_id, "anna/skyline.yaml")
    assert (job.name, job.priority, job.state) == ("My skyline", 7, JobState.QUEUED)
    assert job.job_file_sha256 == hashlib.sha256(text).hexdigest()
    assert job_file_path(world.state, job.id).read_bytes() == text
    assert job.submitted_at == world.wall - timedelta(seconds=5)


def test_a_job_without_a_name_is_called_as_its_file(world: World) -> None:
    world.pictures()
    world.job("anna/Skyline at night.YAML")
    world.settled()
    assert world.jobs()[0].name == "Skyline at night"


def test_each_content_with_each_style_is_a_render_with_frozen_inputs(world: World) -> None:
    world.pictures()
    world.picture("b.png", "green")
    world.put(
        "skyline.yaml",
        "content: [photo.png, b.png]\nstyle: [art/starry.png, {art/starry.png: 1, b.png: 3}]\n"
        "init: photo.png\niterations: 40\n",
    )
    (accepted,) = world.settled().accepted
    assert accepted.renders == 4
    renders = _frozen(world, accepted.job_id)
    assert [one.content.path for one in renders] == ["photo.png", "photo.png", "b.png", "b.png"]
    assert [[style.share for style in one.styles] for one in renders][:2] == [[1.0], [0.25, 0.75]]
    assert all(one.init is not None and one.init.path == "photo.png" for one in renders)
    assert {one.iterations for one in world.ledger.renders(accepted.job_id)} == {40}
    for file in world.ledger.inputs(accepted.job_id):
        copy = input_path(world.state, file.sha256).read_bytes()
        assert copy == (world.inbox / file.path).read_bytes()
        assert hashlib.sha256(copy).hexdigest() == file.sha256
        assert len(copy) == file.size


def test_masks_are_frozen_as_the_other_pictures_are(world: World) -> None:
    world.pictures()
    mask = world.picture("sky.png", "white").read_bytes()
    world.picture("art/clouds.png", "black")
    world.job(more="masks: [{content: sky.png, style: art/clouds.png}, {content: sky.png}]\n")
    (accepted,) = world.settled().accepted
    (render,) = _frozen(world, accepted.job_id)
    first, second = render.masks
    assert (first.content.path, second.style) == ("sky.png", None)
    assert first.style is not None and first.style.path == "art/clouds.png"
    assert input_path(world.state, first.content.sha256).read_bytes() == mask
    recorded = {file.path for file in world.ledger.inputs(accepted.job_id)}
    assert recorded == {"photo.png", "art/starry.png", "sky.png", "art/clouds.png"}


def test_masks_with_an_engine_that_has_none_fail_the_job_in_words(world: World) -> None:
    world.pictures()
    world.picture("sky.png", "white")
    world.job(more="engine: cntk\nmasks: {content: sky.png}\n")
    (accepted,) = world.settled().accepted
    assert accepted.failure is not None
    assert accepted.failure.startswith("skyline.yaml: line 4, masks: engine cntk has none")


def test_rule_07_inputs_are_frozen_on_acceptance(world: World) -> None:
    world.pictures()
    world.job()
    original = (world.inbox / "photo.png").read_bytes()
    (accepted,) = world.settled().accepted
    world.picture("photo.png", "yellow")
    (world.inbox / "art/starry.png").unlink()
    (render,) = _frozen(world, accepted.job_id)
    assert input_path(world.state, render.content.sha256).read_bytes() == original
    assert input_path(world.state, render.styles[0].sha256).exists()


def test_rule_07_a_picture_that_was_changed_after_it_had_settled_is_not_taken_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pictures()
    world.job()

    def overwriting(*arguments: Any) -> Any:
        world.picture("photo.png", "yellow")
        return expand(*arguments)

    monkeypatch.setattr(accept, "expand", overwriting)
    report = world.settled()
    assert not report.accepted
    assert report.waiting[0].reason == "waiting for photo.png, which is being changed"
    monkeypatch.undo()
    world.turn(1)
    (accepted,) = world.turn(5).accepted
    (render,) = _frozen(world, accepted.job_id)
    copy = input_path(world.state, render.content.sha256).read_bytes()
    assert copy == (world.inbox / "photo.png").read_bytes()


def test_rule_07_a_job_file_that_is_changed_while_it_is_claimed_is_read_when_quiet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pictures()
    path = world.job()
    claim = accept.Acceptance.claim

    def claiming(acceptance: Any, *arguments: Any) -> Any:
        with path.open("a") as file:
            claimed = claim(acceptance, *arguments)
            file.write("iterations: 40\n")
        return claimed

    monkeypatch.setattr(accept.Acceptance, "claim", claiming)
    assert not world.settled().accepted
    world.turn(1)
    (accepted,) = world.turn(5).accepted
    assert world.ledger.renders(accepted.job_id)[0].iterations == 40


def test_a_claim_whose_picture_vanishes_waits_and_goes_on_when_it_is_back(world: World) -> None:
    world.pictures()
    world.job()
    world.die_at("accept.claimed")
    (world.inbox / "photo.png").unlink()
    (wait,) = world.settled().waiting
    assert str(wait) == "skyline.yaml: waiting for photo.png, 5 s"
    world.picture("photo.png")
    world.turn(1)
    assert world.turn(5).accepted


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_rule_08_killed_after_any_step_a_job_is_neither_lost_nor_doubled(
    world: World, failpoint: str
) -> None:
    world.pictures()
    world.job()
    world.die_at(failpoint)
    world.settled()
    world.turn(5)
    (job,) = world.jobs()
    assert (job.state, job.folder) == (JobState.QUEUED, "skyline")
    assert len(_frozen(world, job.id)) == 1
    assert job_file_path(world.state, job.id).exists()
    assert all(input_path(world.state, one.sha256).exists() for one in world.ledger.inputs(job.id))
    assert world.files() == PEOPLES | OURS


def test_rule_08_the_test_knows_all_failpoints_of_acceptance() -> None:
    folder = Path(accept.__file__).parent
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    for name in {one.partition(":")[0] for one in FAILPOINTS}:
        assert f'failpoint("{name}")' in text
    assert text.count(' failpoint("') == len({one.partition(":")[0] for one in FAILPOINTS})


@pytest.mark.parametrize("failpoint", ["accept.claimed", "accept.recorded"])
def test_rule_08_killed_again_and_again_a_job_is_still_there_once(
    world: World, failpoint: str
) -> None:
    world.pictures()
    for number in range(3):
        world.job(f"{number}.yaml")
    world.die_at(failpoint)
    world.die_at(failpoint)
    world.settled()
    world.turn(5)
    assert [job.source for job in world.jobs()] == ["0.yaml", "1.yaml", "2.yaml"]


def test_rule_08_a_refused_job_survives_a_kill_too(world: World) -> None:
    world.put("skyline.yaml", "content: photo.png\nstile: art/starry.png\n")
    world.die_at("accept.recorded")
    world.settled()
    (job,) = world.jobs()
    assert job.state is JobState.FAILED
    assert "did you mean" in job.reason


def test_rule_09_two_jobs_of_one_name_have_two_ids_and_two_folders(world: World) -> None:
    world.pictures()
    world.job("anna/skyline.yaml")
    world.job("ben/skyline.yaml")
    assert len(world.settled().accepted) == 2
    world.job("anna/skyline.yaml")
    world.settled()
    jobs = world.jobs()
    assert len({job.id for job in jobs}) == 3
    assert [job.folder for job in jobs] == ["skyline", "skyline-2", "skyline-3"]


def test_rule_09_a_folder_that_somebody_made_in_the_outbox_is_not_used(world: World) -> None:
    world.pictures()
    (world.outbox / "skyline").mkdir()
    world.job()
    world.settled()
    assert world.jobs()[0].folder == "skyline-2"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("content: photo.png\nstyle: ../secret.png\n", ".."),
        ("content: /etc/passwd\nstyle: art/starry.png\n", "absolute path"),
        (
            "content: link.png\nstyle: art/starry.png\n",
            "line 1, content: link.png is a symbolic link",
        ),
        ("content: pipe.png\nstyle: art/starry.png\n", "named pipe"),
        ("content: text.jpg\nstyle: art/starry.png\n", "text.jpg: found text"),
        (
            "content: photo.png\nstyle: art/starry.png\npreset: glossy\n",
            "line 3, preset: there is no preset",
        ),
        ("a: &a [1]\nb: *a\n", "anchor"),
        ("\0\1\2binary\0", "skyline.yaml: line 1"),
        ("[" * 10_000, "skyline.yaml: line 1"),
        ("#" + 3_000_000 * "x", "3,000,001 bytes"),
    ],
)
def test_a_job_that_cannot_be_used_becomes_a_failed_job_with_the_reason(
    world: World, text: str, reason: str
) -> None:
    world.pictures()
    (world.inbox / "link.png").symlink_to("photo.png")
    os.mkfifo(world.inbox / "pipe.png")
    world.put("text.jpg", "no picture at all")
    world.put("skyline.yaml", text)
    world.job("zebra.yaml")
    report = world.settled()
    while report.ready:
        report = world.turn()
    failed, good = world.jobs()
    assert (failed.state, good.state) == (JobState.FAILED, JobState.QUEUED)
    assert reason in failed.reason
    assert all(line.startswith("skyline.yaml: ") for line in failed.reason.splitlines())
    assert not list(world.inbox.glob("**/*.yaml"))
    assert job_file_path(world.state, failed.id).read_text() == text


def test_a_job_of_too_many_renders_is_refused(world: World) -> None:
    world.changes["most_renders"] = 1
    world.pictures()
    world.put("skyline.yaml", "content: [photo.png, art/starry.png]\nstyle: art/starry.png\n")
    (accepted,) = world.settled().accepted
    assert "2 x 1 = 2 renders" in accepted.failure


def test_a_job_file_that_may_not_be_moved_waits_for_a_person_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def denied(source: str, *arguments: Any, **options: Any) -> None:
        if source == "a.yaml":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        rename(source, *arguments, **options)

    monkeypatch.setattr(os, "rename", denied)
    world.pictures()
    world.job("a.yaml")
    world.job("b.yaml")
    report = world.settled()
    assert [job.source for job in report.accepted] == ["b.yaml"]
    assert (report.waiting[0].path, report.waiting[0].kind) == ("a.yaml", WaitKind.PASSED_OVER)
    assert "cannot be moved" in report.waiting[0].reason
    monkeypatch.undo()
    assert world.turn(1).accepted
    assert world.files() == PEOPLES | OURS


@pytest.mark.parametrize("step", ["rename", "unlink"])
def test_a_job_file_that_another_program_holds_is_taken_when_it_lets_go(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = getattr(os, step)

    def held(name: str, *arguments: Any, **options: Any) -> None:
        if name == "a.yaml":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        real(name, *arguments, **options)

    world.pictures()
    world.job("a.yaml")
    world.job("b.yaml")
    monkeypatch.setattr(os, step, held)
    report = world.settled()
    assert report.fault is None
    assert "b.yaml" in [job.source for job in report.accepted]
    monkeypatch.undo()
    world.turn(1)
    world.turn(5)
    assert sorted(job.source for job in world.jobs()) == ["a.yaml", "b.yaml"]
    assert world.files() == PEOPLES | OURS


def test_a_job_file_that_goes_just_before_it_is_claimed_is_nobodys_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pictures()
    path = world.job()
    claim = accept.Acceptance.claim

    def late(acceptance: Any, *arguments: Any) -> Any:
        path.unlink()
        return claim(acceptance, *arguments)

    monkeypatch.setattr(accept.Acceptance, "claim", late)
    assert not world.settled().accepted
    assert not world.turn(1).waiting
    assert not world.jobs()
    assert world.files() == PEOPLES | OURS


def test_a_link_that_is_put_in_a_claims_place_leads_nowhere(world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("content: photo.png\nstyle: art/starry.png\n")
    world.pictures()
    claim = world.inbox / ".atelierd/taken/20261123-174512-x-7f3a"
    claim.mkdir(parents=True)
    (claim / "x.yaml").symlink_to(secret)
    (claim.parent / "20261123-174512-y-7f3a").symlink_to(tmp_path)
    world.job()
    report = world.settled()
    assert [job.source for job in report.accepted] == ["skyline.yaml"]
    assert not report.fault
    assert secret.exists()


def test_a_link_in_place_of_our_own_folder_is_a_fault_in_words(
    world: World, tmp_path: Path
) -> None:
    world.pictures()
    world.job()
    (world.inbox / ".atelierd").symlink_to(tmp_path)
    report = world.settled()
    assert not report.accepted
    assert "remove it" in (report.fault or "")
    assert not (tmp_path / "taken").exists()
