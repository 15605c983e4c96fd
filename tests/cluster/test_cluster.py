"""Renders by several machines: the same pictures, and nothing lost, whatever is killed."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cluster.cluster import PATIENCE, WORKERS, Cluster
from tests.cluster.jobs import JOBS
from tests.faults.audit import Paintings, audit, paintings
from tests.faults.jobs import put_pictures
from tests.faults.process import DaemonProcess

from atelierd.cluster.certificates import AUTHORITY, make
from atelierd.exits import Exit
from atelierd.ledger.states import Outcome

#: Several waits of PATIENCE.
pytestmark = pytest.mark.timeout(900)


def drop(cluster: Cluster, *names: str) -> None:
    put_pictures(cluster.yard)
    for name in names or tuple(JOBS):
        cluster.yard.drop(name, JOBS[name])


def wait(daemon: DaemonProcess, words: str, times: int = 1) -> None:
    daemon.wait_for(words, times, timeout=PATIENCE)


def check(cluster: Cluster, daemon: DaemonProcess, local: Paintings) -> None:
    """Wait for the drain's end and see whether all is as if it had been done here."""
    assert daemon.wait(PATIENCE) in (Exit.OK, Exit.FAILED), daemon.log
    audit(cluster.yard)
    found = paintings(cluster.yard)
    assert found == {key: local[key] for key in found}
    assert {source for source, _ in found} == {
        source for source, _ in cluster.yard.dropped if source != "bad.yaml"
    }


def busy(cluster: Cluster, among: tuple[str, ...] = WORKERS) -> str:
    """Return a worker that has brought a checkpoint home, or is about to."""
    daemon = cluster.yard.processes[-1]
    homes = cluster.yard.state / "renders"
    daemon.wait_until(lambda: any(homes.glob("*/*.checkpoint")), "a checkpoint", PATIENCE)
    return next(name for name in among if any((cluster.root / name / "renders").iterdir()))


def test_four_workers_paint_what_one_machine_does_byte_by_byte(
    cluster: Cluster, local: Paintings
) -> None:
    cluster.start()
    drop(cluster)
    daemon = cluster.start_daemon()
    for name in WORKERS:
        wait(daemon, f"worker {name} is there")
    assert daemon.terminate(PATIENCE) == Exit.OK
    check(cluster, cluster.start_daemon(drain=True), local)
    for name in WORKERS:
        assert "worker process" in cluster.workers[name].log, f"{name} has done nothing"


def test_a_worker_that_is_killed_costs_its_segment_and_nothing_else(
    cluster: Cluster, local: Paintings
) -> None:
    cluster.start(workers=WORKERS[:2])
    drop(cluster, "long.yaml")
    daemon = cluster.start_daemon(drain=True)
    victim = busy(cluster)
    cluster.kill(cluster.workers[victim])
    check(cluster, daemon, local)
    # Gone, where it was missed between two segments.
    assert re.search(f"the worker {victim} (was lost|is gone)", daemon.log)
    assert re.search(r"begins with .* \(attempt [2-9], from iteration [1-9]", daemon.log)


def test_rule_16_a_render_that_kills_every_worker_fails_in_words_and_others_go_on(
    cluster: Cluster, local: Paintings
) -> None:
    cluster.configure(work={"attempts": 2, "segment": "20 s"})
    cluster.start_scheduler()
    # Its process dies in its second iteration; the other render has only one.
    worker = cluster.start_worker("w1", failpoint="segment.iterated:2")
    wait(worker, "is registered")
    put_pictures(cluster.yard)
    cluster.yard.drop("a-killer.yaml", JOBS["long.yaml"])
    cluster.yard.drop("b-other.yaml", {**JOBS["long.yaml"], "iterations": 1, "snapshots": 1})
    daemon = cluster.start_daemon(drain=True)
    assert daemon.wait(PATIENCE) == Exit.FAILED
    words = (cluster.yard.outbox / "a-killer" / "error.txt").read_text()
    assert "2 attempts came no further than iteration" in words
    assert json.loads((cluster.yard.outbox / "b-other" / "result.json").read_bytes())
    audit(cluster.yard)


def test_the_scheduler_killed_and_started_anew_is_waited_for_and_burns_no_attempt(
    cluster: Cluster, local: Paintings
) -> None:
    cluster.start(workers=WORKERS[:2])
    drop(cluster, "long.yaml", "adam.yaml")
    daemon = cluster.start_daemon(drain=True)
    busy(cluster)
    cluster.kill(cluster.scheduler)
    wait(daemon, "the cluster: the scheduler")
    cluster.start_scheduler()
    check(cluster, daemon, local)
    outcomes = {one.outcome for one in cluster.attempts()}
    assert Outcome.NODE_FAULT not in outcomes
    assert Outcome.WORLD_FAULT in outcomes


def test_the_daemon_killed_goes_on_with_what_came_home(cluster: Cluster, local: Paintings) -> None:
    cluster.start(workers=WORKERS[:2])
    drop(cluster, "long.yaml", "matrix.yaml")
    daemon = cluster.start_daemon()
    busy(cluster)
    daemon.kill()
    check(cluster, cluster.start_daemon(drain=True), local)


def test_the_daemon_killed_while_files_come_home_does_nothing_twice(
    cluster: Cluster, local: Paintings
) -> None:
    cluster.start(workers=WORKERS[:1])
    drop(cluster, "long.yaml")
    daemon = cluster.start_daemon(failpoint="cluster.home:2")
    daemon.wait(PATIENCE)
    check(cluster, cluster.start_daemon(drain=True), local)


def test_a_worker_that_is_cut_off_and_comes_back_is_fenced(
    cluster: Cluster, local: Paintings
) -> None:
    if cluster.network is None:
        pytest.skip("no machine can be cut off here, for namespaces cannot be made")
    cluster.start(workers=WORKERS[:2])
    drop(cluster, "long.yaml", "tutorial.yaml")
    daemon = cluster.start_daemon()
    victim = busy(cluster)
    cluster.network.cut_off(victim)
    wait(daemon, f"worker {victim} is lost")
    cluster.network.bring_back(victim)
    wait(daemon, f"worker {victim} is there", times=2)
    assert daemon.terminate(PATIENCE) == Exit.OK
    check(cluster, cluster.start_daemon(drain=True), local)


def test_a_worker_that_dask_has_started_is_as_good_as_one_of_ours(
    cluster: Cluster, local: Paintings
) -> None:
    cluster.start(workers=())
    cluster.start_dask_worker("w1")
    drop(cluster, "adam.yaml")
    check(cluster, cluster.start_daemon(drain=True), local)


@pytest.mark.parametrize("trusts_ours", [False, True])
def test_a_stranger_with_a_certificate_of_another_authority_is_refused(
    cluster: Cluster, tmp_path: Path, trusts_ours: bool
) -> None:
    strangers = tmp_path / "strangers"
    make(strangers, (), timedelta(days=2), datetime.now(UTC))
    if trusts_ours:
        for role in ("worker", "daemon"):
            shutil.copy(cluster.certificates / AUTHORITY, strangers / role / AUTHORITY)
    cluster.start(workers=())
    stranger = cluster.start_worker("w1", certificates=strangers / "worker")
    wait(stranger, "not registered")
    daemon = cluster.start_daemon()
    wait(daemon, "is there")
    daemon.wait_until(
        lambda: "no worker is registered" in str(cluster.trouble()), "trouble", PATIENCE
    )
    assert daemon.terminate(PATIENCE) == Exit.OK
    cluster.configure(certificates=strangers / "daemon")
    daemon = cluster.start_daemon()
    wait(daemon, "cannot be reached")
    assert daemon.terminate(PATIENCE) == Exit.OK
    assert "is registered" not in stranger.log
