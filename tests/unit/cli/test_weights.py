from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import WeightsError
from atelierd.exits import Exit
from atelierd.weights.store import WeightStore

Command = Callable[..., Any]


@pytest.fixture
def config(command: Command, tmp_path: Path, random_weights: Path) -> Path:
    """A configuration in the current folder whose weights are made up."""
    command("init", "share", "--state", "state")
    path = tmp_path / "atelierd.yaml"
    path.write_text(f"{path.read_text()}\nweights: {{folder: {random_weights}}}\n")
    return path


def test_weights_that_are_here_are_only_verified(
    command: Command, config: Path, random_weights: Path
) -> None:
    outcome = command("weights", "fetch")
    assert outcome.code == 0
    assert outcome.out == f"vgg16: {random_weights / 'vgg16.safetensors'}\n"


def test_all_networks_are_listed(command: Command, config: Path, random_weights: Path) -> None:
    lines = command("weights", "list").out.splitlines()
    assert str(random_weights) in lines[1]
    assert "atelierd weights fetch vgg19" in lines[2]


def test_a_file_is_told_by_what_is_in_it(
    command: Command, random_weights: Path, tmp_path: Path
) -> None:
    outcome = command("weights", "check", random_weights / "vgg16.safetensors")
    assert outcome.code == 0
    assert "vgg16" in outcome.out
    assert "SHA-256" in outcome.out
    (tmp_path / "notes.txt").write_text("hello")
    outcome = command("weights", "check", "notes.txt")
    assert outcome.code == Exit.FAILED
    assert "not a file of network weights" in outcome.err


def test_a_source_that_fails_exits_with_its_reason(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(_: WeightStore, network: str, progress: Callable[..., None]) -> Path:
        progress("Keras' VGG19", 10, 100)
        progress("Keras' VGG19", 100, 100)
        raise WeightsError("No source gave the weights of vgg19")

    monkeypatch.setattr(WeightStore, "fetch", fetch)
    outcome = command("weights", "fetch", "vgg19")
    assert outcome.code == Exit.UNAVAILABLE
    assert outcome.err.count("asking for Keras' VGG19") == 1
    assert "No source gave" in outcome.err
    assert command("weights", "fetch", "vgg11").code == Exit.USAGE


def test_what_there_is_is_told_in_json_too(
    command: Command, config: Path, random_weights: Path
) -> None:
    file = random_weights / "vgg16.safetensors"
    here, missing = json.loads(command("weights", "list", "--json").out)
    assert here["file"] == str(file) and here["size"] == file.stat().st_size
    assert missing == {"network": "vgg19", "file": None}
    facts = json.loads(command("weights", "check", file, "--json").out)
    assert facts["network"] == "vgg16" and len(facts["sha256"]) == 64
    assert facts["is_oxford_vgg16"] is False
