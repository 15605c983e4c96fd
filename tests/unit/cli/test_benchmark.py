from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.unit.render.models import PlayedBench

from atelierd.render import measuring
from atelierd.render.machine import read_model, write_model

Command = Callable[..., Any]


@pytest.fixture
def share(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration in the current folder, and a machine of known costs."""
    command("init", "share", "--state", "state")
    monkeypatch.setattr(measuring, "BenchProcess", PlayedBench)
    monkeypatch.setattr("atelierd.cli.weights.ensure_weights", lambda *_: None)
    return tmp_path


def test_it_keeps_what_it_measured_in_the_state_folder(command: Command, share: Path) -> None:
    outcome = command("benchmark")
    assert outcome.code == 0
    assert "fp32 whole" in outcome.out and "kept in" in outcome.out
    model = read_model(share / "state")
    assert model.fast_precision == "bf16" and model.identity is not None
    assert json.loads(command("benchmark", "--json").out)["base_bytes"] == model.base_bytes


def test_check_tells_memory_and_time_by_what_was_measured(
    command: Command, share: Path, pictures: tuple[Path, Path]
) -> None:
    for picture in pictures:
        picture.rename(share / "share" / "inbox" / picture.name)
    job = share / "share" / "inbox" / "job.yaml"
    job.write_text("content: photo.png\nstyle: painting.png\nsize: 320\n")
    before = command("check", job).out
    assert "by cautious figures" in before and "has not been measured" in before
    command("benchmark")
    assert "now it is" in command("check", job).out, "it was measured with another PyTorch"
    model = read_model(share / "state")
    assert model.identity is not None
    identity = model.identity.model_copy(update={"version": version("torch")})
    write_model(share / "state", model.model_copy(update={"identity": identity}))
    after = command("check", job).out
    assert "by figures measured on this machine on" in after
    assert "320 x 213 pixels, about" in after and "of memory and 0:" in after
    assert "in bf16" in after, "the precision that was found to be fast"


def test_doctor_tells_how_old_the_figures_are(command: Command, share: Path) -> None:
    assert "has not been measured" in command("doctor").out
    command("benchmark")
    assert "measured with torch 2.9, now it is" in command("doctor").out
