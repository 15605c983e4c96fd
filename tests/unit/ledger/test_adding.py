from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atelierd.errors import WorldFault
from atelierd.ledger import Ledger
from atelierd.ledger.errors import UnknownJobError
from atelierd.ledger.rows import NewJob
from atelierd.ledger.states import JobState, RenderState

MakeJob = Callable[..., NewJob]


def test_a_new_job_is_queued_with_all_its_renders(ledger: Ledger, new_job: MakeJob) -> None:
    job = ledger.add_job(new_job("a1", renders=3))
    assert job.state is JobState.QUEUED
    assert job.folder == "skyline"
    assert job.submitted_at == datetime(2026, 3, 1, 21, 0, tzinfo=UTC)
    renders = ledger.renders("a1")
    assert [render.id for render in renders] == ["a1.0", "a1.1", "a1.2"]
    assert {render.state for render in renders} == {RenderState.QUEUED}
    assert [file.path for file in ledger.inputs("a1")] == ["art/starry.jpg"]


def test_rule_8_accepting_a_job_again_returns_the_one_that_is_there(
    ledger: Ledger, new_job: MakeJob
) -> None:
    first = ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    again = ledger.add_job(new_job("a1"), taken=lambda folder: True)
    assert again.folder == first.folder
    assert again.state is JobState.RUNNING
    assert len(ledger.jobs()) == 1


def test_rule_8_a_kill_before_the_commit_leaves_nothing_behind(
    ledger: Ledger, new_job: MakeJob
) -> None:
    def killed(folder: str) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.add_job(new_job("a1"), taken=killed)
    assert ledger.jobs() == []
    assert ledger.add_job(new_job("a1")).sequence == 1


def test_rule_9_jobs_of_one_name_get_folders_of_their_own(ledger: Ledger, new_job: MakeJob) -> None:
    folders = [ledger.add_job(new_job(f"a{i}")).folder for i in range(4)]
    assert folders == ["skyline", "skyline-2", "skyline-3", "skyline-4"]


def test_rule_9_folders_that_only_differ_in_case_are_one_on_windows(
    ledger: Ledger, new_job: MakeJob
) -> None:
    assert ledger.add_job(new_job("a1", "Straße")).folder == "Straße"
    assert ledger.add_job(new_job("a2", "STRASSE")).folder == "STRASSE-2"


def test_rule_9_a_folder_that_lies_in_the_outbox_already_is_left_alone(
    ledger: Ledger, new_job: MakeJob
) -> None:
    there = {"skyline", "skyline-2"}
    assert ledger.add_job(new_job("a1"), taken=there.__contains__).folder == "skyline-3"


def test_a_name_that_looks_numbered_does_not_clash(ledger: Ledger, new_job: MakeJob) -> None:
    assert ledger.add_job(new_job("a1", "sky-2")).folder == "sky-2"
    assert ledger.add_job(new_job("a2", "sky")).folder == "sky"
    assert ledger.add_job(new_job("a3", "sky")).folder == "sky-3"


def test_a_share_that_fails_while_a_folder_is_chosen_records_nothing(
    ledger: Ledger, new_job: MakeJob
) -> None:
    def gone(folder: str) -> bool:
        raise WorldFault("the share is gone")

    with pytest.raises(WorldFault):
        ledger.add_job(new_job("a1"), taken=gone)
    assert ledger.jobs() == []


def test_a_job_moves_when_its_folder_was_taken_meanwhile(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    assert ledger.move_job("a1", lambda folder: folder == "skyline-2").folder == "skyline-3"
    assert ledger.job("skyline-3").id == "a1"


def test_a_refused_job_file_is_a_failed_job_with_its_reason(
    ledger: Ledger, new_job: MakeJob
) -> None:
    job = ledger.add_job(new_job("a1", renders=0, failure="line 3: size: found -5"))
    assert job.state is JobState.FAILED
    assert job.reason == "line 3: size: found -5"
    assert job.finished_at is not None


def test_a_job_needs_renders_or_a_reason_to_have_none(ledger: Ledger, new_job: MakeJob) -> None:
    with pytest.raises(ValueError, match="either renders or a failure"):
        ledger.add_job(new_job("a1", renders=0))
    with pytest.raises(ValueError, match="either renders or a failure"):
        ledger.add_job(new_job("a1", failure="bad"))


def test_a_job_is_found_by_id_folder_or_the_beginning_of_either(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("0a1b", "skyline"))
    ledger.add_job(new_job("0c2d", "skydive"))
    assert ledger.job("0a1b").id == "0a1b"
    assert ledger.job("SkyLine").id == "0a1b"
    assert ledger.job("0c").id == "0c2d"
    assert ledger.job("skyd").id == "0c2d"


def test_a_whole_name_wins_over_the_beginning_of_another(ledger: Ledger, new_job: MakeJob) -> None:
    for number in range(3):
        ledger.add_job(new_job(f"x{number}"))
    assert ledger.job("skyline").folder == "skyline"


@pytest.mark.parametrize("name", ["nothing", "", "%", "sky_ine"])
def test_an_unknown_name_is_said_to_be_unknown(ledger: Ledger, new_job: MakeJob, name: str) -> None:
    ledger.add_job(new_job("a1"))
    with pytest.raises(UnknownJobError, match="no job is called"):
        ledger.job(name)


def test_an_ambiguous_name_is_answered_with_the_candidates(
    ledger: Ledger, new_job: MakeJob
) -> None:
    for number in range(8):
        ledger.add_job(new_job(f"x{number}"))
    with pytest.raises(UnknownJobError, match=r"skyline-8, skyline-7, .*\.\.\.; give more"):
        ledger.job("sky")


def test_jobs_come_newest_first_and_no_more_than_asked_for(
    ledger: Ledger, new_job: MakeJob
) -> None:
    for number in range(5):
        ledger.add_job(new_job(f"x{number}"))
    ledger.cancel_job("x4")
    assert [job.id for job in ledger.jobs(limit=2)] == ["x4", "x3"]
    assert [job.id for job in ledger.jobs({JobState.QUEUED}, limit=2)] == ["x3", "x2"]
    assert ledger.jobs(()) == []


def test_counts_name_every_state(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1", renders=3))
    ledger.add_job(new_job("a2", renders=0, failure="bad"))
    counts = ledger.counts()
    assert set(counts.jobs) == set(JobState)
    assert counts.jobs[JobState.FAILED] == 1
    assert counts.renders[RenderState.QUEUED] == 3


def test_inputs_stay_in_use_while_a_job_can_still_need_them(
    ledger: Ledger, new_job: MakeJob
) -> None:
    for job_id in ("queued", "done", "cancelled"):
        ledger.add_job(new_job(job_id))
    ledger.finish_render("done.0")
    ledger.cancel_job("cancelled")
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert ledger.inputs_in_use(early) == {
        "queued-input",
        "queued-file",
        "cancelled-input",
        "cancelled-file",
    }
    assert ledger.inputs_in_use(late) == {"queued-input", "queued-file"}


def test_what_was_added_is_there_after_a_restart(path: Path, new_job: MakeJob) -> None:
    first = Ledger.open(path)
    job = first.add_job(new_job("a1", "Bücher 🎨"))
    first.close()
    second = Ledger.open(path)
    assert second.job("a1") == job
    second.close()
