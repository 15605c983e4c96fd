"""The example pictures and job files are what they say they are."""

from __future__ import annotations

import importlib
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from atelierd.cli.single import pair
from atelierd.images import load_picture, probe
from atelierd.jobs.expand import expand
from atelierd.jobs.paths import Root
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.reader import read_job
from atelierd.jobs.resolved import resolve
from atelierd.render.scene import Scene

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["skyline", "whirls"])
def test_the_script_draws_the_pictures_that_lie_beside_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    drawn = getattr(importlib.import_module(f"drawing.{name}"), name)()
    picture = load_picture(EXAMPLES / f"{name}.jpg", name)
    assert np.abs(np.asarray(drawn).astype(int) - picture.pixels).mean() < 4


@pytest.mark.parametrize("name", ["skyline", "whirls"])
def test_the_pictures_are_small(name: str) -> None:
    info = probe(EXAMPLES / f"{name}.jpg", name)
    assert (info.width, info.height) == (640, 480)
    assert (EXAMPLES / f"{name}.jpg").stat().st_size < 300_000


@pytest.mark.parametrize(
    ("name", "titles"), [("skyline", 1), ("matrix", 2), ("tutorial", 1), ("blend", 1), ("night", 1)]
)
def test_the_example_jobs_are_sound_and_find_their_pictures(name: str, titles: int) -> None:
    path = EXAMPLES / f"{name}.yaml"
    job = read_job(path.read_bytes(), path.name)
    presets = [shipped_config() / "presets"]
    settings = resolve(
        job, load_preset(job.preset or "default", presets), load_preset("default", presets)
    )
    renders = expand(job, settings, Root(EXAMPLES), PurePosixPath())
    assert len(renders) == titles
    for render in renders:
        assert all((EXAMPLES / picture).is_file() for picture in render.inputs)


def test_the_least_job_is_two_lines() -> None:
    assert len((EXAMPLES / "skyline.yaml").read_text().splitlines()) == 2


def test_every_look_of_the_gallery_is_a_sound_render(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    gallery = importlib.import_module("gallery")
    looks = gallery.looks(gallery.draw_masks(tmp_path))
    assert len({look.caption for look in looks}) == len(looks)
    for look in looks:
        presets = [shipped_config() / "presets"]
        work = pair(gallery.CONTENT, look.styles, look.keys, presets, look.shares, look.masks)
        scene = Scene(work.frozen, work.open_input)
        assert len(scene.regions((64, 48))) == len(look.masks)
    assert (EXAMPLES / "gallery.jpg").stat().st_size < 300_000
