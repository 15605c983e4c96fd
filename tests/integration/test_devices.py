"""A daemon that keeps two devices busy: two processes on this machine's processor."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from tests.integration.daemon import Daemon, Share

from atelierd.exits import Exit

pytestmark = [pytest.mark.weights, pytest.mark.slow]

JOB = "content: astronaut.png\nstyle: coffee.jpg\nsize: 96\niterations: 60\nsnapshots: 12\n"
NAMES = ("one", "two")


def test_two_devices_share_the_queue_and_make_the_same_pictures_as_one(
    new_share: Callable[..., Share], started: Callable[..., Daemon]
) -> None:
    work = {"device": ["cpu", "cpu"], "threads": 1, "segment": "500 ms"}
    share = new_share(work=work)
    daemon = started(share)
    for name in NAMES:
        share.drop(f"{name}.yaml", JOB)
    # Both are under way at once, and both are stopped with a checkpoint.
    daemon.wait_for(lambda: all(list((share.outbox / one).glob("*-00*.png")) for one in NAMES))
    assert daemon.stop(signal.SIGTERM) == Exit.OK
    assert daemon.logged("started for cpu") == 2 and daemon.logged("started for cpu 2") == 1
    assert daemon.logged("with a checkpoint") == 2

    daemon = started(share, "--drain")
    assert daemon.wait() == Exit.OK
    assert daemon.logged("goes on from the checkpoint") == 2
    one, two = (share.pictures_of(name)["astronaut-coffee.png"] for name in NAMES)
    assert one == two

    share.config.write_text(share.config.read_text().replace("- cpu\n  - cpu\n", "- cpu\n"))
    share.drop("alone.yaml", JOB)
    daemon = started(share, "--drain")
    assert daemon.wait() == Exit.OK
    assert daemon.logged("started for cpu") == 1
    assert share.pictures_of("alone")["astronaut-coffee.png"] == one
