"""Whoever may write to the inbox may write to the daemon's folder of claims, too: rule 18."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atelierd.inbox.scan import DEEPEST, TAKEN, walk

World = Any

#: More folders inside each other than a process may have calls or open descriptors.
ENDLESS = 3_000


@pytest.fixture
def endless(world: World) -> Iterator[Path]:
    """Something like a claim that nobody gets to the end of."""
    folder: Path = world.inbox / TAKEN / "20261123-174512-x-7f3a"
    folder.mkdir(parents=True)
    descriptor = os.open(folder, os.O_DIRECTORY)
    for _ in range(ENDLESS):
        os.mkdir("f", dir_fd=descriptor)
        below = os.open("f", os.O_DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    yield folder
    # Python's own way to remove a tree does not get to the end either.
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_rule_18_folders_without_end_among_the_claims_end_nothing(
    world: World, endless: Path
) -> None:
    world.pictures()
    world.job()
    report = world.settled()
    assert report.fault is None
    assert [one.source for one in report.accepted] == ["skyline.yaml"]
    assert endless.exists()


def test_a_claim_is_looked_into_as_deep_as_a_job_file_can_have_lain(
    world: World, endless: Path
) -> None:
    folder = "f/" * DEEPEST
    world.put(f"{TAKEN}/20261123-174512-y-7f3a/{folder}y.yaml")
    world.put(f"{TAKEN}/20261123-174512-z-7f3a/{folder}f/z.yaml")
    inventory = walk(world.inbox)
    assert [job.source for job in inventory.jobs] == [f"{folder}y.yaml"]
    assert inventory.hollow == [endless.name, "20261123-174512-z-7f3a"]
