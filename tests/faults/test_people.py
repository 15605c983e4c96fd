"""What people ask for while the daemon works: through files on the share, and by urgency.

However often a render is put aside for it, it ends with the same bytes (rule 15), nothing is lost
or doubled, and no attempt is burned.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.faults.audit import Paintings, audit, paintings
from tests.faults.jobs import MIXED, put_pictures, undisturbed
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

from atelierd.exits import Exit
from atelierd.ledger.states import Outcome

#: So long that a fast machine, too, is still at it when a control file is looked for, twice 2 s.
LONG = {**MIXED["long.yaml"], "iterations": 260}
JOBS = {"long.yaml": LONG, "one.yaml": {**MIXED["one.yaml"], "priority": 9}}


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Paintings:
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "yard", random_weights, JOBS)


@pytest.fixture
def at_work(yard: Yard) -> DaemonProcess:
    """A daemon in the midst of the long job."""
    put_pictures(yard)
    yard.drop("long.yaml", JOBS["long.yaml"])
    daemon = yard.start()
    daemon.wait_for("watching")
    daemon.wait_until(lambda: iteration(yard) > 0, "an iteration")
    return daemon


def test_rule_15_a_more_urgent_job_takes_the_device_and_the_other_goes_on_exactly(
    yard: Yard, at_work: DaemonProcess, painted: Paintings
) -> None:
    yard.drop("one.yaml", JOBS["one.yaml"])
    at_work.wait_until(lambda: state(yard, "one") == "done", "the urgent job")
    assert "a more urgent job takes the device" in at_work.log
    assert state(yard, "long") != "done"
    at_work.wait_until(lambda: state(yard, "long") == "done", "the other one", 240)
    assert at_work.terminate() == Exit.OK
    assert outcomes(yard, "long") == [Outcome.STOPPED, Outcome.FINISHED]
    assert outcomes(yard, "one") == [Outcome.FINISHED]
    audit(yard)
    assert paintings(yard) == painted


def test_rule_15_files_on_the_share_hold_release_cancel_and_retry_a_job(
    yard: Yard, at_work: DaemonProcess, painted: Paintings
) -> None:
    ask(yard, at_work, "hold", "held")
    at_work.wait_for("waits at iteration")
    held_at = iteration(yard)
    # While it is held, the others have the device.
    yard.drop("one.yaml", JOBS["one.yaml"])
    at_work.wait_until(lambda: state(yard, "one") == "done", "another job")
    assert iteration(yard) == held_at > 0
    ask(yard, at_work, "release", "queued")
    at_work.wait_until(lambda: iteration(yard) > held_at, "that it goes on")
    ask(yard, at_work, "cancel", "cancelled")
    assert not (yard.outbox / "long" / "error.txt").exists()
    ask(yard, at_work, "retry.txt", "queued")
    at_work.wait_until(lambda: state(yard, "long") == "done", "the job", 240)
    assert at_work.terminate() == Exit.OK
    assert outcomes(yard, "long")[-1] is Outcome.FINISHED
    assert set(outcomes(yard, "long")[:-1]) == {Outcome.STOPPED}
    audit(yard)
    assert paintings(yard) == painted


def ask(yard: Yard, daemon: DaemonProcess, name: str, answer: str) -> None:
    """Put a control file into the long job's folder and wait for the answer."""
    folder = yard.outbox / "long"
    (folder / name).touch()
    daemon.wait_until(lambda: not (folder / name).exists(), f"an answer to {name}")
    said = (folder / "answer.txt").read_text()
    assert said == f"{name.removesuffix('.txt')}: long is {answer} now\n"


def iteration(yard: Yard) -> int:
    """Return how far the long job is."""
    ledger = yard.ledger()
    try:
        jobs = [job for job in ledger.jobs() if job.source == "long.yaml"]
        return ledger.renders(jobs[0].id)[0].iteration if jobs else 0
    finally:
        ledger.close()


def state(yard: Yard, folder: str) -> str:
    """Return a job's state as the outbox shows it."""
    try:
        return str(json.loads((yard.outbox / folder / "status.json").read_bytes())["state"])
    except FileNotFoundError:
        return ""


def outcomes(yard: Yard, folder: str) -> list[Outcome | None]:
    ledger = yard.ledger()
    try:
        return [one.outcome for one in ledger.attempts(f"{ledger.job(folder).id}.0")]
    finally:
        ledger.close()
