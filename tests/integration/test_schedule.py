"""A daemon whose window ends while it renders: it stops with a checkpoint, and goes on later."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.daemon import Daemon, Share

from atelierd.exits import Exit

pytestmark = [pytest.mark.weights, pytest.mark.slow]

#: More than any machine does in two minutes.
JOB = "content: astronaut.png\nstyle: coffee.jpg\nminimizer: adam\niterations: 100000\n"
MINUTE = timedelta(minutes=1)


@pytest.mark.timeout(600)
def test_rule_22_a_render_stops_when_its_window_ends_and_goes_on_in_the_next(
    new_share: Callable[..., Share], started: Callable[..., Daemon]
) -> None:
    # Windows are written in minutes; a busy machine is to have one to begin in.
    ends = (datetime.now(UTC) + 2 * MINUTE).replace(second=0, microsecond=0)
    begins = ends - timedelta(hours=2)
    share = new_share()
    unscheduled = share.config.read_text()
    share.config.write_text(
        f"{unscheduled}schedule:\n  time_zone: UTC\n"
        f"  windows:\n    short: {begins:%H:%M}-{ends:%H:%M}\n"
    )
    daemon = started(share)
    share.drop("long.yaml", JOB)
    daemon.wait_for(lambda: daemon.logged("its hours are over"), seconds=400)
    assert datetime.now(UTC) >= ends
    (told,) = [line for line in daemon.messages if "its hours are over" in line]
    found = re.search(r"waits at iteration (\d+)", told)
    assert found is not None and int(found[1]) > 0
    (work,) = (share.folder / "state" / "renders").iterdir()
    assert list(work.glob(f"*{found[1]}.checkpoint"))
    daemon.wait_for(lambda: daemon.logged("ends until there is work: cpu is free"))

    daemon.wait_for(lambda: "waits until " in share.job("long").get("expected", ""))
    daemon.wait_for(lambda: share.overview()["state"] == "resting")
    assert share.job("long")["state"] == "queued"
    assert "long: waits until " in share.command("status", "--config", str(share.config))
    page = share.outbox / "long" / "report.html"
    daemon.wait_for(lambda: "waits until " in page.read_text())
    assert daemon.stop(signal.SIGTERM) == Exit.OK

    drain = started(share, "--drain")
    assert drain.wait() == Exit.KEPT_FROM_WORK and drain.logged("left in the queue: 1 job")

    share.config.write_text(unscheduled)
    daemon = started(share)
    daemon.wait_for(lambda: daemon.logged(f"goes on from the checkpoint at iteration {found[1]}"))
    assert daemon.stop(signal.SIGTERM) == Exit.OK
