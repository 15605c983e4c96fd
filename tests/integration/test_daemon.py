"""The real daemon as a process, with the real VGG16 on photographs."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.integration.daemon import Daemon, Share

from atelierd.exits import Exit
from atelierd.outbox import layout
from atelierd.weights.catalog import OXFORD_VGG16_SHA256

pytestmark = [pytest.mark.weights, pytest.mark.slow]

Started = Callable[..., Daemon]

JOB = "content: astronaut.png\nstyle: coffee.jpg\n"


def test_a_dropped_job_becomes_pictures_and_the_next_one_costs_no_loading(
    share: Share, started: Started
) -> None:
    images = {path.name: path.read_bytes() for path in share.inbox.glob("[a-z]*.*")}
    daemon = started(share)
    dropped = share.drop("portrait.yaml", JOB)
    daemon.wait_for(lambda: share.finished("portrait"))

    folder = share.outbox / "portrait"
    pictures = share.pictures_of("portrait")
    assert pictures.keys() == {"astronaut-coffee-0003.png", "astronaut-coffee.png"}
    assert {picture.size for picture in pictures.values()} == {(64, 64)}
    with Image.open(share.inbox / "astronaut.png") as content:
        before = np.asarray(content.resize((64, 64)), float)
    after = np.asarray(pictures["astronaut-coffee.png"], float)
    assert 2 < np.abs(after - before).mean() < 80
    (receipt,) = share.receipts("portrait")
    assert receipt["engine"]["weights"] == OXFORD_VGG16_SHA256
    values = [step["value"] for step in receipt["trace"]]
    assert len(values) == 6
    assert values[-1] < values[0]
    assert share.job("portrait")["state"] == "done"
    assert (folder / layout.ORIGINAL).read_bytes() == dropped
    assert not (folder / layout.ERROR).exists()

    # The job file has left the inbox, people's pictures have not.
    assert not (share.inbox / "portrait.yaml").exists()
    assert {path.name: path.read_bytes() for path in share.inbox.glob("[a-z]*.*")} == images

    assert daemon.logged("objective compiled") == 1
    share.drop("again.yaml", JOB)
    daemon.wait_for(lambda: share.finished("again"))
    assert daemon.logged("weights of vgg16 loaded") == 1
    assert daemon.logged("no weights loaded") == 1
    assert daemon.logged("objective compiled") == 1
    assert daemon.logged("objective reused") == 1
    assert share.pictures_of("again")["astronaut-coffee.png"] == pictures["astronaut-coffee.png"]

    daemon.wait_for(lambda: share.overview()["jobs"]["done"] == 2)
    assert share.overview()["state"] == "idle"
    assert daemon.stop() == Exit.OK


def test_a_job_that_fails_stops_no_other_and_says_why(share: Share, started: Started) -> None:
    (share.inbox / "notes.jpg").write_text("these are words")
    share.drop("1.yaml", JOB)
    share.drop("2.yaml", "content: notes.jpg\nstyle: coffee.jpg\n")
    share.drop("3.yaml", "content: [astronaut.png, coffee.jpg]\nstyle: coffee.jpg\n")
    assert started(share, "--drain").wait() == Exit.FAILED
    states = [share.job(folder)["state"] for folder in ("1", "2", "3")]
    assert states == ["done", "failed", "done"]
    assert "notes.jpg" in share.error("2")
    assert len(share.pictures_of("3")) == 4
    assert "2: " in share.command("status")
    # What failed in an earlier run is no failure of this one.
    assert started(share, "--drain").wait() == Exit.OK


def test_sigterm_stops_it_with_a_checkpoint_and_the_next_run_goes_on(
    share: Share, started: Started
) -> None:
    daemon = started(share)
    share.drop("long.yaml", f"{JOB}size: 128\niterations: 60\nsnapshots: 6\n")
    daemon.wait_for(lambda: daemon.logged("published"))
    assert daemon.stop(signal.SIGTERM) == Exit.OK
    assert daemon.logged("with a checkpoint") == 1
    assert share.job("long")["state"] == "queued"
    assert json.loads(share.command("status", "--json"))["daemon"] == {"running": False}

    daemon = started(share, "--drain")
    assert daemon.wait() == Exit.OK
    assert daemon.logged("goes on from the checkpoint") == 1
    (receipt,) = share.receipts("long")
    assert [step["iteration"] for step in receipt["trace"]] == list(range(1, 61))


def test_people_can_hold_release_and_cancel_while_it_runs(share: Share, started: Started) -> None:
    daemon = started(share)
    share.drop("long.yaml", f"{JOB}iterations: 5000\n")
    daemon.wait_for(lambda: share.job("long").get("state") == "running")
    assert share.command("hold", "long") == "long is held now\n"
    daemon.wait_for(lambda: daemon.logged("waits at iteration"))
    assert share.command("release", "long") == "long is queued now\n"
    daemon.wait_for(lambda: daemon.logged("begins with") == 2)
    status = share.command("status")
    assert f"process {daemon.pid}" in status
    assert "long" in status
    (share.outbox / "long" / "cancel").touch()
    daemon.wait_for(lambda: share.job("long")["state"] == "cancelled")
    assert "cancelled" in (share.outbox / "long" / layout.ANSWER).read_text()
    assert daemon.stop(signal.SIGINT) == Exit.OK


def test_a_second_daemon_is_refused_and_told_who_has_the_inbox(
    share: Share, started: Started, tmp_path: Path
) -> None:
    first = started(share)
    first.wait_for(lambda: first.logged("watching"))
    second = started(share)
    assert second.wait() == Exit.UNAVAILABLE
    (message,) = second.messages
    assert f"process {first.pid} on" in message
    assert first.stop() == Exit.OK
