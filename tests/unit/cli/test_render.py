from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from atelierd.exits import Exit
from atelierd.images import read_metadata
from atelierd.render.live import LiveRender, TraceEntry

Command = Callable[..., Any]

SMALL = ("--size", "48x32", "--iterations", "4", "--set", "precision=fp32", "--set", "snapshots=2")


@pytest.fixture
def painter(command: Command, random_weights: Path, tmp_path: Path) -> Command:
    """Commands that find made-up weights."""
    command("init", "share", "--state", "state")
    path = tmp_path / "atelierd.yaml"
    path.write_text(
        f"{path.read_text()}\nweights: {{folder: {random_weights}}}\nwork: {{device: cpu}}\n"
    )
    return command


def test_a_picture_and_its_snapshots_are_written_and_named(
    painter: Command, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    outcome = painter("render", *pictures, "-o", "out", *SMALL)
    assert outcome.code == 0
    assert outcome.out.split() == ["out/photo-painting-0002.png", "out/photo-painting.png"]
    with Image.open(tmp_path / "out" / "photo-painting.png") as picture:
        assert picture.size == (48, 32)
    assert "iteration 4 of 4, objective" in outcome.err
    words = read_metadata(tmp_path / "out" / "photo-painting.png")
    assert json.loads(words["Settings"])["size"] == [48, 32]


def test_an_earlier_result_is_not_overwritten(
    painter: Command, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "photo-painting.png").write_bytes(b"mine")
    outcome = painter("render", *pictures, "-o", ".", *SMALL)
    assert outcome.out.split()[-1] == "photo-painting-2.png"
    assert (tmp_path / "photo-painting.png").read_bytes() == b"mine"


def test_the_receipt_comes_in_json(painter: Command, pictures: tuple[Path, Path]) -> None:
    outcome = painter("render", *pictures, "-o", "out", *SMALL, "--json")
    report = json.loads(outcome.out)
    assert report["finished"]
    assert report["files"] == ["out/photo-painting-0002.png", "out/photo-painting.png"]
    assert report["iterations"] == len(report["trace"]) == 4
    assert report["snapshots"] == [2]


def test_ctrl_c_keeps_the_picture_so_far(
    painter: Command, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    iterate, handler = LiveRender.iterate, signal.getsignal(signal.SIGINT)

    def interrupted(self: LiveRender) -> TraceEntry:
        entry = iterate(self)
        if entry.iteration == 3:
            signal.raise_signal(signal.SIGINT)
        return entry

    monkeypatch.setattr(LiveRender, "iterate", interrupted)
    outcome = painter("render", *pictures, "-o", "out", *SMALL)
    assert outcome.code == Exit.INTERRUPTED
    assert outcome.out.split() == ["out/photo-painting-0002.png", "out/photo-painting-0003.png"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_what_cannot_be_rendered_is_told_before_anything_is_loaded(
    painter: Command, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    content, style = pictures
    for arguments, words in (
        ((content, "text.jpg"), "text.jpg"),
        ((content, style, "--set", "size=-5"), "size: found -5"),
    ):
        outcome = painter("render", *arguments, "-o", "out")
        assert outcome.code == Exit.FAILED
        assert words in outcome.err
        assert "loaded" not in outcome.err
    assert painter("render", content, style, "-o", "out", "--style-weights", "1,2").code == 2
    assert painter("render", content, style, "-o", "out", "--set", "size").code == 2


def test_what_does_not_fit_into_memory_is_told_before_the_first_iteration(
    painter: Command, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    content, style = pictures
    outcome = painter("render", content, style, "--size", "30000", "-o", "out")
    assert outcome.code == Exit.FAILED
    assert "GiB of memory" in outcome.err and "the largest that fits is" in outcome.err
    assert "objective compiled" not in outcome.err
    assert not list(tmp_path.glob("out/*"))


def test_regions_are_rendered_and_their_masks_are_in_the_receipt(
    painter: Command, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    for name, size in (("sky.png", (60, 40)), ("clouds.png", (50, 50)), ("wide.png", (60, 20))):
        Image.linear_gradient("L").resize(size).save(tmp_path / name)
    outcome = painter(
        "render", *pictures, "-o", "out", *SMALL, "--mask", "sky.png,clouds.png",
        "--mask", "sky.png", "--json",
    )  # fmt: skip
    assert outcome.code == 0
    first, second = json.loads(outcome.out)["masks"]
    assert (first["content"]["path"], first["style"]["path"]) == ("sky.png", "clouds.png")
    assert second["style"] is None
    outcome = painter("render", *pictures, "-o", "out", *SMALL, "--mask", "wide.png")
    assert outcome.code == Exit.FAILED
    assert "masks: wide.png has 60 x 20 pixels" in outcome.err
    assert painter("render", *pictures, "-o", "out", "--mask", "sky.png,").code == Exit.USAGE


def test_an_evaluation_says_value_norm_terms_and_seconds(
    painter: Command, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    outcome = painter(
        "evaluate", *pictures, "--preset", "tutorial", "--size", "40", "--gradient", "g.npy",
        "--repeat", "2",
    )  # fmt: skip
    assert outcome.code == 0
    report = json.loads(outcome.out)
    gradient = np.load(tmp_path / "g.npy")
    assert gradient.shape == (3, 40, 40)
    assert report["gradient_norm"] == pytest.approx(float(np.linalg.norm(gradient)), rel=1e-6)
    assert report["value"] == pytest.approx(sum(report["terms"].values()), rel=1e-5)
    assert report["terms"]["content"] == 0
    assert (report["width"], report["height"], report["precision"]) == (40, 40, "fp32")
    assert report["engine"]["engine"] == "torch"
    assert 0 < report["seconds"]["best"] <= report["seconds"]["median"]


def test_an_evaluation_takes_the_precision_it_is_told(
    painter: Command, pictures: tuple[Path, Path]
) -> None:
    outcome = painter("evaluate", *pictures, "--size", "32x32", "--precision", "bf16")
    assert json.loads(outcome.out)["precision"] == "bf16"
    assert painter("evaluate", *pictures, "--engine", "caffe").code == Exit.USAGE
