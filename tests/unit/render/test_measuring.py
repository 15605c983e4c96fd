"""The measuring itself, on small pictures with a random network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atelierd.engines.base import Execution
from atelierd.render.measuring import Bench, Case
from atelierd.render.minimizers.base import MinimizerName
from atelierd.render.resident import EngineOptions, Resident
from atelierd.weights.network import Weights


@pytest.fixture
def bench(
    random_vgg16: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    monkeypatch.setattr(Resident, "_load", lambda self, network: random_vgg16)
    yield Bench(EngineOptions(tmp_path, device="cpu", threads=1), time.process_time)


def test_it_begins_as_a_worker_does(bench: Bench) -> None:
    beginning = bench.begin()
    assert beginning.facts["engine"] == "torch" and beginning.facts["threads"] == "1"
    assert beginning.peak_bytes >= beginning.taken_bytes > 50e6


@pytest.mark.parametrize("tile", [0, 64])
def test_an_evaluation_takes_time_and_memory(bench: Bench, tile: int) -> None:
    execution = Execution("tiled", tile) if tile else Execution("whole")
    sample = bench.evaluation(Case("fp32", execution, 96))
    assert sample.seconds > 0 and sample.target_seconds > 0
    assert sample.peak_bytes > 50e6
    assert sample.pixels == 96 * 96
    tiles, pixels, largest = sample.tiles
    if tile:
        assert tiles > 1 and pixels > largest > 64 * 64
    else:
        assert (tiles, pixels, largest) == (1, 96 * 96, 0)


@pytest.mark.parametrize("name", ["lbfgs", "lbfgsb", "adam"])
def test_a_minimizer_takes_vectors_of_memory(bench: Bench, name: MinimizerName) -> None:
    sample = bench.minimizer(name, 256)
    assert sample.seconds > 0
    vector = 3 * 4 * 256 * 256
    assert sample.peak_bytes >= sample.held_bytes
    assert sample.peak_bytes > 3 * vector
