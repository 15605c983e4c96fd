"""`engine: cntk` through the daemon: every minimizer, snapshots, a server that dies, a stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.integration.daemon import Daemon, Share

from atelierd.engines.cntk import server
from atelierd.exits import Exit

pytestmark = [pytest.mark.weights, pytest.mark.cntk, pytest.mark.slow, pytest.mark.timeout(600)]

Started = Callable[..., Daemon]
JOB = "content: astronaut.png\nstyle: coffee.jpg\nengine: cntk\n"


@pytest.fixture
def share(share: Share, cntk_state: Path) -> Share:
    state = share.folder / "state"
    state.mkdir(exist_ok=True)
    (state / "cntk").symlink_to(cntk_state / "cntk")
    return share


def server_of(daemon: Daemon) -> psutil.Process | None:
    """Return the CNTK server that works for a daemon, None while there is none."""
    for process in psutil.Process(daemon.pid).children(recursive=True):
        if server.__file__ in process.cmdline():
            return process
    return None


def test_it_renders_with_every_minimizer_and_stays_resident(share: Share, started: Started) -> None:
    for minimizer in ("lbfgs", "lbfgsb", "adam"):
        share.drop(f"{minimizer}.yaml", f"{JOB}minimizer: {minimizer}\niterations: 4\n")
    daemon = started(share, "--drain")
    assert daemon.wait() == Exit.OK
    for minimizer in ("lbfgs", "lbfgsb", "adam"):
        (receipt,) = share.receipts(minimizer)
        assert receipt["engine"]["engine"] == "cntk"
        assert receipt["trace"][-1]["value"] < receipt["trace"][0]["value"]
        assert len(share.pictures_of(minimizer)) == 2
    assert daemon.logged("cntk engine resident") == 2


def test_a_server_that_is_killed_is_replaced_and_the_render_goes_on_after_a_stop(
    share: Share, started: Started
) -> None:
    daemon = started(share)
    share.drop("long.yaml", f"{JOB}iterations: 24\nsnapshots: 12\n")
    daemon.wait_for(lambda: daemon.logged("published"))
    dead = daemon.wait_for(lambda: server_of(daemon))
    assert dead is not None
    os.kill(dead.pid, signal.SIGKILL)
    daemon.wait_for(lambda: daemon.logged("trying again"))
    alive = daemon.wait_for(lambda: server_of(daemon))
    assert alive is not None
    assert alive.pid != dead.pid
    daemon.wait_for(lambda: daemon.logged("begins with") == 2)
    assert daemon.stop() == Exit.OK

    daemon = started(share, "--drain")
    assert daemon.wait() == Exit.OK
    (receipt,) = share.receipts("long")
    assert [step["iteration"] for step in receipt["trace"]] == list(range(1, 25))
    assert daemon.logged("goes on from the checkpoint") == 1
