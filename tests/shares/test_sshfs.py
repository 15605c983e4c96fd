"""The daemon on a machine that has the share through sshfs: no events, old attributes, cuts.

What others do with the files is done on the server, behind the back of the daemon's kernel.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.faults.audit import Paintings, audit, paintings
from tests.faults.jobs import MIXED, put_pictures, undisturbed
from tests.faults.process import DaemonProcess
from tests.faults.yard import Yard, draw_picture
from tests.shares.conftest import LineMaker, MountMaker
from tests.shares.looks import size, wait_until_done, wait_until_seen
from tests.shares.programs import needs_sshfs
from tests.shares.sshfs import SshServer

from atelierd.exits import Exit
from atelierd.ledger.states import Outcome
from atelierd.trouble import read_trouble

pytestmark = needs_sshfs()

JOBS = {"long.yaml": {**MIXED["long.yaml"], "iterations": 80, "snapshots": 2}}
QUICK = {**MIXED["one.yaml"], "iterations": 2}
#: Attributes and listings are remembered for so long, as a mount for the daemon should have it.
FRESH = ("dcache_timeout=1",)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Paintings:
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "yard", random_weights, JOBS)


def test_rule_06_what_is_dropped_on_the_server_is_found_without_an_event(
    yard: Yard, real: Path, mounted: MountMaker, painted: Paintings
) -> None:
    mounted(real, yard.share, *FRESH)
    put_pictures(yard)
    daemon = yard.start()
    daemon.wait_for("watching")
    drop(yard, real / "inbox")
    finish(yard, real, daemon, painted)


@pytest.mark.parametrize("how", ["unmounted", "sshfs killed", "line cut"])
def test_rule_11_a_mount_that_goes_while_it_paints_is_told_and_taken_up_again(
    yard: Yard,
    real: Path,
    ssh: SshServer,
    mounted: MountMaker,
    line: LineMaker,
    painted: Paintings,
    how: str,
) -> None:
    cable = line(ssh.port)
    share = mounted(real, yard.share, *FRESH, port=cable.port)
    put_pictures(yard)
    drop(yard, real / "inbox")
    daemon = yard.start()
    daemon.wait_until(lambda: any(yard.state.glob("renders/*/*.checkpoint")), "a checkpoint")
    if how == "unmounted":
        share.unmount()
    elif how == "sshfs killed":
        share.kill()
    else:
        cable.cut()
    daemon.wait_until(lambda: is_told_offline(yard), "that it tells of the share")
    daemon.wait_for("the inbox waits: ")
    share.end()
    assert not list(yard.share.iterdir()), "the mount point was written to"
    # Meanwhile somebody drops one more, on the server.
    yard.drop("meanwhile.yaml", QUICK, real / "inbox")
    share.mount()
    finish(yard, real, daemon, painted, others=1)


def test_an_older_size_than_the_server_has_does_not_let_half_a_picture_through(
    yard: Yard, real: Path, mounted: MountMaker
) -> None:
    # sshfs' own default: attributes that it has seen once are believed for twenty seconds.
    mounted(real, yard.share)
    yard.configure(share={"settle": "2 s"})
    put_pictures(yard)
    draw_picture(yard.root / "whole.png", 90, 80, seed=4)
    data = (yard.root / "whole.png").read_bytes()
    growing = real / "inbox" / "growing.png"
    growing.write_bytes(data[:300])
    yard.drop("grows.yaml", {**QUICK, "content": "growing.png"}, real / "inbox")
    assert size(yard.inbox / "growing.png") == 300
    daemon = yard.start()
    wait_until_seen(real / "outbox", daemon, "growing.png")
    with growing.open("ab") as file:
        for start in range(300, len(data), 1_000):
            file.write(data[start : start + 1_000])
            file.flush()
            time.sleep(0.3)
    expected = yard.pictures_put
    wait_until_done(real / "outbox", daemon, 1)
    assert daemon.terminate() == Exit.OK
    put = yard.pictures()["growing.png"]
    assert put[1] == data
    expected["growing.png"] = put
    audit(yard)


def is_told_offline(yard: Yard) -> bool:
    """Whether the daemon says of the share that it is gone, and what to do."""
    told = " ".join(read_trouble(yard.state))
    return "is the share mounted?" in told or "the share is not connected" in told


def drop(yard: Yard, inbox: Path) -> None:
    for name, job in JOBS.items():
        yard.drop(name, job, inbox)


def finish(
    yard: Yard, real: Path, daemon: DaemonProcess, painted: Paintings, others: int = 0
) -> None:
    """All jobs end well, to the same bytes, and no attempt was burned."""
    wait_until_done(real / "outbox", daemon, len(JOBS) + others)
    assert not read_trouble(yard.state)
    assert daemon.terminate() == Exit.OK
    audit(yard)
    found = paintings(yard)
    assert {key: found[key] for key in painted} == painted
    ledger = yard.ledger()
    try:
        outcomes = {
            attempt.outcome
            for job in ledger.jobs()
            for render in ledger.renders(job.id)
            for attempt in ledger.attempts(render.id)
        }
    finally:
        ledger.close()
    assert outcomes <= {Outcome.FINISHED, Outcome.STOPPED, Outcome.WORLD_FAULT}
