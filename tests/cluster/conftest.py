"""A cluster for each test, and what its jobs come to on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.cluster import MACHINES, PATIENCE, Cluster
from tests.cluster.jobs import JOBS
from tests.cluster.network import network_of
from tests.faults.audit import Paintings, audit, paintings
from tests.faults.jobs import put_pictures
from tests.faults.yard import Yard


@pytest.fixture
def cluster(tmp_path: Path, random_weights: Path) -> Iterator[Cluster]:
    network = network_of(MACHINES)
    cluster = Cluster(tmp_path, random_weights, network)
    yield cluster
    cluster.end()
    if network is not None:
        network.close()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Paintings:
    """What the jobs come to with `executor: local`."""
    yard = Yard(tmp_path_factory.mktemp("local") / "yard", random_weights)
    put_pictures(yard)
    for name, job in JOBS.items():
        yard.drop(name, job)
    try:
        yard.drain(PATIENCE)
        audit(yard)
        return paintings(yard)
    finally:
        yard.end()
