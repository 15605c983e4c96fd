from __future__ import annotations

from itertools import chain, combinations

import pytest

from atelierd.ledger.errors import IllegalTransitionError
from atelierd.ledger.states import (
    JOB_FINISHED,
    JOB_TRANSITIONS,
    RENDER_FINISHED,
    RENDER_TRANSITIONS,
    JobState,
    Outcome,
    RenderState,
    check_transition,
    derive_job_state,
)

Q, R, D, F, C = RenderState


@pytest.mark.parametrize(
    ("renders", "state"),
    [
        ([Q, Q], JobState.QUEUED),
        ([D, Q], JobState.QUEUED),
        ([R, Q], JobState.RUNNING),
        ([F, R], JobState.RUNNING),
        ([D, D], JobState.DONE),
        ([D, F], JobState.FAILED),
        ([F, Q], JobState.QUEUED),
        ([D, C], JobState.CANCELLED),
        ([F, C], JobState.CANCELLED),
    ],
)
def test_a_jobs_state_follows_from_its_renders(renders: list[RenderState], state: JobState) -> None:
    assert derive_job_state(renders, held=False) is state


def test_only_an_unfinished_job_can_be_held() -> None:
    every = chain.from_iterable(combinations(RenderState, n) for n in range(1, 6))
    for renders in every:
        held = derive_job_state(renders, held=True)
        assert (held is JobState.HELD) == (not RENDER_FINISHED.issuperset(renders))


def test_a_done_job_or_render_is_done_for_good() -> None:
    assert not JOB_TRANSITIONS[JobState.DONE]
    assert not RENDER_TRANSITIONS[RenderState.DONE]


def test_a_finished_job_or_render_only_goes_back_to_the_queue() -> None:
    for job in JOB_FINISHED:
        assert JOB_TRANSITIONS[job] <= {JobState.QUEUED}
    for render in RENDER_FINISHED:
        assert RENDER_TRANSITIONS[render] <= {RenderState.QUEUED}


def test_an_illegal_transition_is_named_with_the_ways_that_there_are() -> None:
    with pytest.raises(
        IllegalTransitionError,
        match="job 7 is failed and cannot become running; from failed it can become queued",
    ):
        check_transition(JOB_TRANSITIONS, JobState.FAILED, JobState.RUNNING, "job 7")


def test_rule_17_only_the_worlds_faults_and_stops_burn_no_attempt() -> None:
    assert {outcome for outcome in Outcome if not outcome.counts} == {
        Outcome.STOPPED,
        Outcome.WORLD_FAULT,
    }
