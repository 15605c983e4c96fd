from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from atelierd.ledger import Ledger
from atelierd.ledger.errors import IllegalTransitionError, UnknownJobError
from atelierd.ledger.rows import NewJob, Progress
from atelierd.ledger.states import JobState, Outcome, RenderState

MakeJob = Callable[..., NewJob]


def at(iteration: int) -> Progress:
    return Progress(iteration, 2 * iteration, 1e6, 3.5, 1, 2)


def test_rule_16_an_attempt_is_on_disk_before_the_work_starts(
    path: Path, ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    assert ledger.begin_attempt("a1.0", pid=77) == 1
    other = Ledger.open(path, read_only=True)
    assert other.render("a1.0").attempts == 1
    assert other.attempts("a1.0")[0].worker_pid == 77
    assert other.attempts("a1.0")[0].finished_at is None
    assert other.job("a1").state is JobState.RUNNING
    other.close()


def test_rule_16_each_kill_of_the_daemon_counts(
    path: Path, ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    for number in (1, 2, 3):
        assert ledger.begin_attempt("a1.0", 1) == number
        restarted = Ledger.open(path)
        assert [render.attempts for render in restarted.recover()] == [number]
        restarted.close()
    outcomes = [attempt.outcome for attempt in ledger.attempts("a1.0")]
    assert outcomes == [Outcome.INTERRUPTED] * 3


def test_rule_20_recovery_run_twice_is_recovery_run_once(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1", renders=2))
    ledger.begin_attempt("a1.0", 1)
    assert len(ledger.recover()) == 1
    assert ledger.recover() == []
    assert ledger.job("a1").state is JobState.QUEUED
    assert ledger.render("a1.0").state is RenderState.QUEUED


def test_rule_17_a_world_fault_or_a_stop_burns_no_attempt(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    for outcome, attempts in [
        (Outcome.NODE_FAULT, 1),
        (Outcome.WORLD_FAULT, 1),
        (Outcome.STOPPED, 1),
        (Outcome.NODE_FAULT, 2),
    ]:
        ledger.begin_attempt("a1.0", 1)
        assert ledger.requeue_render("a1.0", outcome, "why").attempts == attempts
    assert len(ledger.attempts("a1.0")) == 4


def test_saved_work_clears_the_attempts_before_it(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    ledger.requeue_render("a1.0", Outcome.NODE_FAULT)
    ledger.begin_attempt("a1.0", 1)
    ledger.progress("a1.0", at(20))
    assert ledger.render("a1.0").attempts == 2
    ledger.progress("a1.0", at(40), saved=True)
    assert ledger.render("a1.0").attempts == 0
    assert ledger.requeue_render("a1.0", Outcome.STOPPED).attempts == 0


def test_a_render_that_dies_at_the_same_place_again_and_again_is_counted(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    ledger.progress("a1.0", at(40), saved=True)
    for died in range(1, 4):
        ledger.requeue_render("a1.0", Outcome.NODE_FAULT, "the worker was killed")
        ledger.begin_attempt("a1.0", 1)
        assert ledger.render("a1.0").attempts == died


def test_progress_is_seen_by_readers(path: Path, ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    ledger.progress("a1.0", at(40))
    reader = Ledger.open(path, read_only=True)
    render = reader.render("a1.0")
    assert (render.iteration, render.evaluations, render.objective) == (40, 80, 1e6)
    assert (render.seconds, render.scale, render.snapshots_published) == (3.5, 1, 2)
    reader.close()


def test_a_job_is_done_when_all_its_renders_are(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1", renders=2))
    ledger.begin_attempt("a1.0", 1)
    ledger.finish_render("a1.0")
    assert ledger.job("a1").state is JobState.QUEUED
    ledger.begin_attempt("a1.1", 1)
    ledger.finish_render("a1.1")
    job = ledger.job("a1")
    assert job.state is JobState.DONE
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.started_at < job.finished_at
    assert [attempt.outcome for attempt in ledger.attempts("a1.1")] == [Outcome.FINISHED]


def test_rule_14_a_render_found_published_is_done_without_another_attempt(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    ledger.recover()
    ledger.finish_render("a1.0")
    ledger.finish_render("a1.0")
    assert ledger.job("a1").state is JobState.DONE
    assert len(ledger.attempts("a1.0")) == 1


def test_rule_18_a_failed_render_does_not_stop_the_others_of_its_job(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1", renders=3))
    ledger.begin_attempt("a1.0", 1)
    ledger.fail_render("a1.0", "the worker died three times", Outcome.NODE_FAULT)
    assert ledger.job("a1").state is JobState.QUEUED
    assert [render.index for render in ledger.runnable()] == [1]
    ledger.finish_render("a1.1")
    ledger.finish_render("a1.2")
    job = ledger.job("a1")
    assert job.state is JobState.FAILED
    assert job.reason == "picture 0: the worker died three times"


def test_the_reason_of_a_job_names_a_few_failures_and_counts_the_rest(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1", renders=5))
    for number in range(5):
        ledger.fail_render(f"a1.{number}", "bad")
    assert ledger.job("a1").reason == ("picture 0: bad; picture 1: bad; picture 2: bad; and 2 more")


def test_a_finished_render_cannot_begin_fail_or_be_queued_again(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1", renders=2))
    ledger.finish_render("a1.0")
    ledger.fail_render("a1.1", "bad")
    for render in ("a1.0", "a1.1"):
        with pytest.raises(IllegalTransitionError):
            ledger.begin_attempt(render, 1)
        with pytest.raises(IllegalTransitionError):
            ledger.requeue_render(render, Outcome.STOPPED)
    with pytest.raises(IllegalTransitionError):
        ledger.fail_render("a1.0", "bad")
    with pytest.raises(IllegalTransitionError):
        ledger.finish_render("a1.1")


def test_a_running_render_cannot_begin_twice(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    with pytest.raises(IllegalTransitionError):
        ledger.begin_attempt("a1.0", 1)
    assert len(ledger.attempts("a1.0")) == 1


def test_an_unknown_render_is_named(ledger: Ledger) -> None:
    with pytest.raises(UnknownJobError, match=r"no render has the id 'zz\.0'"):
        ledger.begin_attempt("zz.0", 1)


def test_runnable_gives_the_first_queued_render_of_each_job_with_its_facts(
    ledger: Ledger, new_job: MakeJob
) -> None:
    for job_id in ("a1", "a2", "a3", "a4"):
        ledger.add_job(new_job(job_id, renders=3))
    ledger.begin_attempt("a1.0", 1)
    ledger.progress("a1.0", at(40))
    ledger.hold_job("a2")
    ledger.cancel_job("a3")
    first, second = ledger.runnable()
    assert (first.render_id, first.sequence) == ("a1.1", 1)
    assert (second.render_id, second.sequence) == ("a4.0", 4)
    assert first.sequence < second.sequence
    assert second.source == "anna/skyline.yaml"
    assert [render.id for render in ledger.running()] == ["a1.0"]
