from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from atelierd.errors import WeightsError, WorldFault
from atelierd.render.resident import EngineOptions, Resident
from atelierd.weights.store import WeightStore


def test_weights_are_loaded_once_and_it_says_so(random_weights: Path) -> None:
    said: list[str] = []
    resident = Resident(EngineOptions(random_weights, threads=1))
    first = resident.engine("torch", "vgg16", said.append)
    assert resident.engine("torch", "vgg16", said.append) is first
    assert "weights of vgg16 loaded in" in said[0]
    assert said[1] == "torch engine resident with vgg16: no weights loaded"
    resident.close()


def test_damaged_weights_are_fetched_anew(
    random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "vgg16.safetensors"
    shutil.copy(random_weights / file.name, file)
    with file.open("r+b") as damaged:
        damaged.seek(-4, 2)
        damaged.write(b"\x00\x01\x02\x03")
    fetched: list[str] = []

    def fetch(self: WeightStore, network: str, progress: object) -> Path:
        fetched.append(network)
        return random_weights / file.name

    monkeypatch.setattr(WeightStore, "fetch", fetch)
    resident = Resident(EngineOptions(tmp_path, threads=1))
    resident.engine("torch", "vgg16")
    assert fetched == ["vgg16"]


def test_without_weights_there_is_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(self: WeightStore, network: str, progress: object) -> Path:
        raise WeightsError("no source gave the weights of vgg19")

    monkeypatch.setattr(WeightStore, "fetch", fetch)
    with pytest.raises(WeightsError, match="vgg19"):
        Resident(EngineOptions(tmp_path)).engine("torch", "vgg19")


def test_rule_17_a_device_that_is_missing_is_no_jobs_fault(random_weights: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(WorldFault, match=r"device cuda: .*CUDA.* in the configuration"):
        Resident(EngineOptions(random_weights, device="cuda")).engine("torch", "vgg16")
