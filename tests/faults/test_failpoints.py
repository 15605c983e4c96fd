"""Killed at any step between "file seen" and "job done", a daemon loses and doubles nothing.

Rules 8, 13, 14, 15, 16, 20 and 23. One daemon for each failpoint of the source: it, or its worker,
dies there; the next daemon starts without the failpoint and drains. Then everything is looked
through, and every picture and every value of the objective must be what it is without a kill.
"""

from __future__ import annotations

import functools
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.audit import Paintings, audit, audit_after_a_week, paintings
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard

import atelierd
from atelierd.ledger.states import Action

SOURCE = Path(atelierd.__file__).parent
NAMES = sorted(
    {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"\bfailpoint\(\"([a-z_.]+)\"\)", path.read_text())
        # Those take jobs that have been done for long (test_retention.py), or other machines
        # (tests/cluster).
        if not name.startswith(("retention.", "cluster."))
    }
)
#: Failpoints that are passed often, at which it is worth dying in several passings.
OFTEN = {
    "ledger.written": (1, 2, 3, 6, 12),
    "ledger.committed": (1, 2, 3, 6, 12),
    "durable.written": (1, 2, 4, 8, 15, 30),
    "durable.replaced": (1, 2, 4, 8, 15, 30),
    "accept.claimed": (1, 2),
    "checkpoint.written": (1, 3),
    "desk.shown": (1, 4),
    "folder.made": (1, 2),
    "publish.picture": (1, 2, 3, 4),
    "publish.manifest": (1, 2),
    "segment.iterated": (1, 90),
    "segment.picture": (1, 3),
    "segment.ended": (1, 4),
    "dispatch.published": (1, 2),
    "dispatch.reported": (1, 3),
}
#: Failpoints that only a daemon passes which finds what another one has left: where that one dies.
AFTER = {
    "dispatch.found_finished": "publish.manifest",
    "segment.restored": "segment.saved",
}
#: Failpoints for which a render is to be so long that it is saved on the way.
DEEP = {"segment.iterated", "segment.saved", "segment.restored", "dispatch.put_back"}
#: Job file and title of the render that has to be dropped for some of them.
URGENT = ("urgent.yaml", "a-b")
POINTS = [
    name if passing == 1 else f"{name}:{passing}"
    for name in NAMES
    for passing in OFTEN.get(name, (1,))
]

#: What the daemon says when its worker dies at work, or before.
WORKER_DIED = ("the worker process died", "the worker process does not start")


def jobs_of(yard: Yard, *, deep: bool) -> None:
    """Drop what takes every step: several renders, snapshots, a refusal.

    A deep one takes so long that a checkpoint is written on the way, not only at its end.
    """
    yard.picture("a.png", 40, 32, seed=1)
    yard.picture("styles/b.png", 32, 32, seed=2)
    yard.picture("styles/c.png", 36, 32, seed=3)
    job = {"content": "a.png", "size": "32x32", "precision": "fp32", "seed": 5}
    iterations = 100 if deep else 12
    yard.drop("bad.yaml", {**job, "style": "styles/b.png", "size": -5})
    yard.drop(
        "one.yaml", {**job, "style": "styles/b.png", "iterations": iterations, "snapshots": 3}
    )
    yard.drop("pair.yaml", {**job, "style": "styles/*", "iterations": 6, "snapshots": 2})


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, random_weights: Path
) -> Callable[[bool], Paintings]:
    """Return what the jobs, deep or not, come to in a daemon that nobody kills."""

    @functools.cache
    def of(deep: bool) -> Paintings:
        yard = Yard(tmp_path_factory.mktemp("undisturbed") / "yard", random_weights)
        jobs_of(yard, deep=deep)
        assert yard.drain() == 1
        audit(yard)
        return paintings(yard)

    return of


def test_there_is_a_failpoint_at_every_step() -> None:
    steps = {name.partition(".")[0] for name in NAMES}
    assert steps >= {"accept", "folder", "ledger", "desk", "dispatch", "worker", "segment"}
    assert steps >= {"checkpoint", "publish", "durable", "control", "request", "service"}
    assert OFTEN.keys() | AFTER.keys() <= set(NAMES)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_step_the_restart_ends_with_the_same_bytes(
    yard: Yard, undisturbed: Callable[[bool], Paintings], point: str
) -> None:
    name = point.partition(":")[0]
    deep = name in DEEP
    jobs_of(yard, deep=deep)
    if name in AFTER:
        die_at(yard, AFTER[name])
    die_at(yard, point)
    assert yard.drain() in (0, 1)
    audit(yard)
    found = paintings(yard)
    found.pop(URGENT, None)
    assert found == undisturbed(deep)
    audit_after_a_week(yard)


def die_at(yard: Yard, point: str) -> None:
    """Run a daemon until it or its worker has died at `point`; then no process is left."""
    daemon = yard.start(failpoint=point)
    provoke = PROVOKE.get(point.partition(":")[0])
    if provoke is not None:
        provoke(yard, daemon)
    daemon.wait_until(
        lambda: daemon.code == -signal.SIGKILL or any(said in daemon.log for said in WORKER_DIED),
        f"death at {point}",
    )
    daemon.end()


def by_a_file(yard: Yard, daemon: DaemonProcess) -> None:
    """Ask for something with a control file."""
    folder = yard.outbox / "bad"
    daemon.wait_until(folder.is_dir, "the job's folder")
    (folder / "cancel").touch()


def by_a_command(yard: Yard, daemon: DaemonProcess) -> None:
    """Ask for something as the command line does."""
    daemon.wait_until((yard.outbox / "bad").is_dir, "the job's folder")
    ledger = yard.ledger()
    try:
        ledger.request(Action.CANCEL, ledger.job("bad").id)
    finally:
        ledger.close()


def by_urgency(yard: Yard, daemon: DaemonProcess) -> None:
    """Have a more urgent job take the device from the one that is under way."""
    daemon.wait_for("objective compiled")
    job = {"content": "a.png", "style": "styles/b.png", "size": "32x32", "iterations": 3}
    yard.drop(URGENT[0], {**job, "priority": 9})


#: What has to be done to a daemon for it to pass these failpoints.
PROVOKE = {
    "control.acted": by_a_file,
    "control.answered": by_a_file,
    "request.acted": by_a_command,
    "dispatch.put_back": by_urgency,
}
