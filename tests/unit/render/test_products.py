from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.ExifTags import Base
from tests.unit.render.conftest import Inputs

from atelierd import __version__
from atelierd.images import SUFFIXES, read_metadata
from atelierd.jobs.frozen import FrozenStyle
from atelierd.render.products import picture_file

Begin = Any


@pytest.mark.parametrize("format", list(SUFFIXES))
def test_a_picture_of_every_format_tells_how_it_was_made(
    begin: Begin,
    inputs: Inputs,
    tmp_path: Path,
    format: Any,  # noqa: A002
) -> None:
    frozen = inputs.frozen(output_format=format, size=48, scales=1, seed=7)
    (first,) = frozen.styles
    second = inputs.picture("art/ünder & <b>.png", 40, 40, 3)
    blend = (
        first.model_copy(update={"share": 0.75}),
        FrozenStyle(path=second.path, sha256=second.sha256, share=0.25),
    )
    start = inputs.picture("start.png", 30, 30, 4)
    frozen = frozen.model_copy(update={"styles": blend, "init": start})
    live = begin(frozen)
    live.iterate()
    path = tmp_path / f"picture{SUFFIXES[format]}"
    path.write_bytes(picture_file(live, frozen))
    facts = read_metadata(path)
    assert facts["Software"] == f"atelierd {__version__}"
    assert facts["Description"] == "photo.png in the style of waves.png + ünder & <b>.png"
    assert facts["Style"] == "art/waves.png: 0.75, art/ünder & <b>.png: 0.25"
    assert (facts["Content"], facts["Init"]) == ("photo.png", "start.png")
    hashes = [frozen.content.sha256, first.sha256, second.sha256, start.sha256]
    assert facts["SHA-256"].split() == hashes
    assert facts["Iteration"] == "1"
    settings = json.loads(facts["Settings"])
    assert settings == frozen.settings.model_dump(mode="json")
    if format != "png":
        with Image.open(path) as picture:
            described = str(picture.getexif()[Base.ImageDescription])
            assert described.startswith("photo.png in the style of waves.png")


def test_a_blend_of_hundreds_still_makes_a_picture(begin: Begin, inputs: Inputs) -> None:
    frozen = inputs.frozen(size=48, scales=1, output_format="jpeg")
    (one,) = frozen.styles
    many = tuple(
        one.model_copy(update={"path": f"{'🌃' * 60}-{number}.png", "share": 1 / 400})
        for number in range(400)
    )
    live = begin(frozen)
    live.iterate()
    assert picture_file(live, frozen.model_copy(update={"styles": many})).startswith(b"\xff\xd8")
