from __future__ import annotations

import errno
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from atelierd.dispatch.outcomes import outcome_of
from atelierd.errors import (
    JobFault,
    LackingFault,
    NodeFault,
    OutOfMemoryFault,
    WeightsError,
    WorldFault,
)

STATE = Path("/srv/state")


def came_to(error: BaseException) -> Any:
    future: Future[Any] = Future()
    future.set_exception(error)
    return outcome_of(future, STATE)


@pytest.mark.parametrize(
    "fault", [JobFault("a"), NodeFault("b"), OutOfMemoryFault("c"), WorldFault("d")]
)
def test_rule_17_faults_are_what_they_are(fault: Exception) -> None:
    assert came_to(fault) is fault


def test_rule_17_a_dead_worker_is_a_fault_of_the_node() -> None:
    outcome = came_to(BrokenProcessPool("terminated abruptly"))
    assert type(outcome) is NodeFault and str(outcome) == "the worker process died"


def test_rule_17_a_worker_that_the_kernel_ended_for_memory_ran_out_of_it() -> None:
    future: Future[Any] = Future()
    future.set_exception(BrokenProcessPool("terminated abruptly"))
    outcome = outcome_of(future, STATE, killed_for_memory=True)
    assert type(outcome) is OutOfMemoryFault and "the kernel ended" in str(outcome)
    assert type(came_to(MemoryError())) is OutOfMemoryFault


def test_rule_17_missing_weights_are_no_jobs_fault() -> None:
    outcome = came_to(WeightsError("no source gave the weights of vgg16"))
    assert type(outcome) is LackingFault and "vgg16" in str(outcome)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_rule_17_a_failing_disk_is_a_fault_of_the_world(number: int) -> None:
    named = came_to(OSError(number, "it fails", "/srv/state/renders/a.0/x"))
    assert type(named) is WorldFault and "/srv/state/renders/a.0/x" in str(named)
    nameless = came_to(OSError(number, "it fails"))
    assert type(nameless) is WorldFault and str(STATE) in str(nameless)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "No such file", "x.png"), TimeoutError(), OSError()]
)
def test_rule_17_other_errors_of_the_system_are_the_nodes(error: OSError) -> None:
    assert type(came_to(error)) is NodeFault


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("x")])
def test_rule_17_what_is_not_foreseen_is_told_and_counts_as_the_nodes(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = came_to(error)
    assert type(outcome) is NodeFault and type(error).__name__ in str(outcome)
    assert "not foreseen" in caplog.text


def test_a_report_is_handed_on() -> None:
    future: Future[Any] = Future()
    future.set_result("a report")
    assert outcome_of(future, STATE) == "a report"  # type: ignore[comparison-overlap]


def test_a_segment_that_was_never_begun_is_a_fault_of_the_node() -> None:
    future: Future[Any] = Future()
    future.cancel()
    outcome = outcome_of(future, STATE)
    assert type(outcome) is NodeFault and "replaced" in str(outcome)
