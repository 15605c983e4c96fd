from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from atelierd.images.previews import content_stem, style_stem
from atelierd.render.previews import FOLDER, snapshot_taken, write_inputs, write_now


def sizes(work: Path) -> dict[str, tuple[int, int]]:
    """Return (width, height) of each copy."""
    found = {}
    for path in (work / FOLDER).iterdir():
        with Image.open(path) as picture:
            found[path.name] = picture.size
    return found


def mean_difference(path: Path, pixels: Any) -> float:
    with Image.open(path) as picture:
        return float(np.abs(np.asarray(picture.convert("RGB"), np.float32) - pixels).mean())


def test_content_and_style_are_copied_as_the_render_sees_them(
    begin: Any, inputs: Any, tmp_path: Path
) -> None:
    frozen = inputs.frozen(size=(64, 40))
    render = begin(frozen)
    write_inputs(tmp_path, render, frozen)
    content = content_stem(frozen.content.sha256)
    style = style_stem(frozen.styles[0].sha256)
    found = sizes(tmp_path)
    assert sorted(found) == sorted(
        f"{stem}{size}.jpg" for stem in (content, style) for size in ("", "-small")
    )
    # Cropped to the shape of the result, so that the two can be laid over each other.
    assert found[f"{content}.jpg"] == (64, 40)
    width, height = found[f"{style}.jpg"]
    assert width / height == pytest.approx(50 / 60, rel=0.05)


@pytest.mark.parametrize("order", ["bgr", "as-is"])
def test_copies_have_the_colors_of_the_picture(
    begin: Any, inputs: Any, tmp_path: Path, order: str
) -> None:
    frozen = inputs.frozen(channel_order=order, scales=1)
    render = begin(frozen)
    write_inputs(tmp_path, render, frozen)
    rgb, _ = render.picture()
    path = tmp_path / FOLDER / f"{content_stem(frozen.content.sha256)}.jpg"
    assert mean_difference(path, rgb.clip(0, 255)) < 5


def test_a_snapshot_and_the_picture_as_it_is_are_told_apart(begin: Any, tmp_path: Path) -> None:
    render = begin(iterations=4)
    for _ in range(2):
        render.iterate()
    snapshot_taken(tmp_path, render)()
    names = {"snapshot-000002.jpg", "snapshot-000002-small.jpg", "now-small.jpg"}
    assert sizes(tmp_path) == dict.fromkeys(names, (80, 64))
    while not render.finished:
        render.iterate()
    snapshot_taken(tmp_path, render)()
    assert set(sizes(tmp_path)) == names | {"now.jpg"}
    rgb, _ = render.picture()
    assert mean_difference(tmp_path / FOLDER / "now.jpg", rgb.clip(0, 255)) < 6


def test_a_look_between_snapshots_leaves_the_small_copy_only(begin: Any, tmp_path: Path) -> None:
    render = begin()
    render.iterate()
    write_now(tmp_path, render)
    assert list(sizes(tmp_path)) == ["now-small.jpg"]


def test_a_glance_is_small_whatever_the_size_and_the_scale(begin: Any) -> None:
    render = begin(size=80, scales=2)
    render.iterate()
    rgb, alpha = render.glance(40)
    assert rgb.shape == (32, 40, 3)
    assert alpha is None
    assert render.glance(1000)[0].shape == (64, 80, 3)


def test_what_is_transparent_is_white_in_the_copies(
    begin: Any, inputs: Any, tmp_path: Path
) -> None:
    pixels = np.zeros((80, 100, 4), np.uint8)
    pixels[:, 50:, 3] = 255
    frozen = inputs.frozen()
    frozen = frozen.model_copy(update={"content": inputs.put("clear.png", pixels)})
    render = begin(frozen)
    write_inputs(tmp_path, render, frozen)
    render.iterate()
    write_now(tmp_path, render)
    for path in (tmp_path / FOLDER).glob("[cn]*.jpg"):
        with Image.open(io.BytesIO(path.read_bytes())) as copy:
            assert np.asarray(copy)[:, :30].min() > 240, path.name
