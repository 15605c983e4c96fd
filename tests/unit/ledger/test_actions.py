from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from atelierd.ledger import Ledger
from atelierd.ledger.errors import ActionRefusedError, IllegalTransitionError, UnknownJobError
from atelierd.ledger.rows import NewJob
from atelierd.ledger.states import Action, JobState, Outcome, RenderState

MakeJob = Callable[..., NewJob]


def test_cancel_ends_a_job_and_what_of_it_runs(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1", renders=3))
    ledger.finish_render("a1.0")
    ledger.begin_attempt("a1.1", 1)
    assert ledger.cancel_job("a1").state is JobState.CANCELLED
    states = [render.state for render in ledger.renders("a1")]
    assert states == [RenderState.DONE, RenderState.CANCELLED, RenderState.CANCELLED]
    assert ledger.attempts("a1.1")[0].outcome is Outcome.STOPPED
    assert not ledger.runnable()


@pytest.mark.parametrize("late", ["finish", "fail", "requeue"])
def test_what_a_cancelled_segment_still_reports_changes_nothing(
    ledger: Ledger, new_job: MakeJob, late: str
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    before = ledger.cancel_job("a1")
    if late == "finish":
        ledger.finish_render("a1.0")
    elif late == "fail":
        ledger.fail_render("a1.0", "bad")
    else:
        ledger.requeue_render("a1.0", Outcome.NODE_FAULT)
    assert ledger.job("a1") == before
    assert ledger.render("a1.0").state is RenderState.CANCELLED


def test_hold_keeps_a_job_from_going_on_until_it_is_released(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1", renders=2))
    ledger.begin_attempt("a1.0", 1)
    assert ledger.hold_job("a1").state is JobState.HELD
    ledger.requeue_render("a1.0", Outcome.STOPPED)
    assert ledger.job("a1").state is JobState.HELD
    with pytest.raises(IllegalTransitionError, match="held"):
        ledger.begin_attempt("a1.0", 1)
    assert ledger.release_job("a1").state is JobState.QUEUED
    assert ledger.begin_attempt("a1.0", 1) == 2


def test_a_hold_survives_a_restart(path: Path, ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    ledger.hold_job("a1")
    restarted = Ledger.open(path)
    restarted.recover()
    assert restarted.job("a1").state is JobState.HELD
    assert not restarted.runnable()
    restarted.close()


def test_a_held_job_whose_last_segment_finishes_is_done(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    ledger.hold_job("a1")
    ledger.finish_render("a1.0")
    assert ledger.job("a1").state is JobState.DONE


def test_release_while_the_segment_still_runs_shows_it_running(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.begin_attempt("a1.0", 1)
    ledger.hold_job("a1")
    assert ledger.release_job("a1").state is JobState.RUNNING


def test_retry_queues_what_has_failed_and_nothing_else(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1", renders=2))
    ledger.finish_render("a1.0")
    ledger.begin_attempt("a1.1", 1)
    ledger.fail_render("a1.1", "the worker died", Outcome.NODE_FAULT)
    job = ledger.retry_job("a1")
    assert (job.state, job.reason, job.finished_at) == (JobState.QUEUED, "", None)
    assert ledger.render("a1.0").state is RenderState.DONE
    again = ledger.render("a1.1")
    assert (again.state, again.reason, again.attempts) == (RenderState.QUEUED, "", 0)
    assert ledger.begin_attempt("a1.1", 1) == 2


def test_retry_brings_back_a_cancelled_job(ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    ledger.cancel_job("a1")
    assert ledger.retry_job("a1").state is JobState.QUEUED
    assert len(ledger.runnable()) == 1


def test_a_refused_job_file_cannot_be_retried_and_is_told_what_can_be_done(
    ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1", renders=0, failure="bad"))
    with pytest.raises(ActionRefusedError, match=r"refused before any render .* into the inbox"):
        ledger.retry_job("a1")


@pytest.mark.parametrize("action", list(Action))
def test_nothing_can_be_asked_of_a_done_job(
    ledger: Ledger, new_job: MakeJob, action: Action
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.finish_render("a1.0")
    with pytest.raises(ActionRefusedError, match="skyline is done: nothing to"):
        ledger.act(action, "a1")


@pytest.mark.parametrize("action", [Action.HOLD, Action.RELEASE, Action.CANCEL])
def test_of_a_failed_job_only_retry_can_be_asked(
    ledger: Ledger, new_job: MakeJob, action: Action
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.fail_render("a1.0", "bad")
    with pytest.raises(ActionRefusedError, match="to start it again, ask for retry"):
        ledger.act(action, "a1")


@pytest.mark.parametrize("action", list(Action))
def test_an_action_done_twice_is_done_once(
    ledger: Ledger, new_job: MakeJob, action: Action
) -> None:
    ledger.add_job(new_job("a1"))
    if action is Action.RELEASE:
        ledger.hold_job("a1")
    if action is Action.RETRY:
        ledger.cancel_job("a1")
    once = ledger.act(action, "a1")
    assert ledger.act(action, "a1") == once


def test_another_process_asks_and_reads_the_answer(
    path: Path, ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    command = Ledger.open(path, read_only=True)
    number = command.request(Action.HOLD, command.job("sky").id)
    assert command.request_answer(number) is None
    (request,) = ledger.take_requests()
    assert (request.id, request.action, request.job_id) == (number, Action.HOLD, "a1")
    ledger.answer_request(number, f"it is {ledger.act(request.action, request.job_id).state}")
    assert command.request_answer(number) == "it is held"
    assert ledger.take_requests() == []
    command.close()


def test_a_request_is_not_lost_when_the_daemon_dies_before_it_answers(
    path: Path, ledger: Ledger, new_job: MakeJob
) -> None:
    ledger.add_job(new_job("a1"))
    ledger.request(Action.CANCEL, "a1")
    ledger.take_requests()
    restarted = Ledger.open(path)
    assert [request.action for request in restarted.take_requests()] == [Action.CANCEL]
    restarted.close()


def test_old_answers_are_forgotten(path: Path, ledger: Ledger, new_job: MakeJob) -> None:
    ledger.add_job(new_job("a1"))
    first = ledger.request(Action.HOLD, "a1")
    ledger.answer_request(first, "it is held")
    second = ledger.request(Action.HOLD, "a1")
    later = Ledger.open(path, clock=lambda: ledger.job("a1").accepted_at + timedelta(hours=2))
    later.answer_request(second, "it is held")
    assert later.request_answer(first) is None
    later.close()


def test_nothing_can_be_asked_of_a_job_that_does_not_exist(ledger: Ledger) -> None:
    with pytest.raises(UnknownJobError):
        ledger.request(Action.HOLD, "zz")
