"""Pictures decoded ahead are those that would have been decoded, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atelierd.errors import JobFault
from atelierd.jobs.frozen import FrozenImage
from atelierd.render import ahead as module
from atelierd.render.ahead import Ahead
from atelierd.render.scene import Scene
from atelierd.render.segment import inputs_in

Inputs = Any


def test_the_scene_is_the_one_that_is_decoded_in_its_turn(inputs: Inputs) -> None:
    frozen, open_input = inputs.frozen(), inputs_in(inputs.state)
    ahead = Ahead()
    ahead.begin(frozen.model_dump_json(), open_input)
    scene = ahead.take(frozen.model_dump_json())
    assert scene is not None
    expected = Scene(frozen, open_input)
    size = expected.size()
    assert scene.size() == size
    assert np.array_equal(scene.content(size), expected.content(size))
    assert ahead.take(frozen.model_dump_json()) is None, "it is handed over once"


def test_another_render_than_was_thought_gets_none(inputs: Inputs) -> None:
    ahead = Ahead()
    ahead.begin(inputs.frozen().model_dump_json(), inputs_in(inputs.state))
    assert ahead.take(inputs.frozen(size=64).model_dump_json()) is None
    assert ahead._thread is None


def test_what_fails_ahead_fails_in_its_turn_and_not_before(inputs: Inputs) -> None:
    def gone(image: FrozenImage) -> Path:
        raise JobFault(f"{image.path} is gone")

    ahead = Ahead()
    ahead.begin(inputs.frozen().model_dump_json(), gone)
    assert ahead.take(inputs.frozen().model_dump_json()) is None
    ahead.begin("no render at all", gone)
    assert ahead.take("no render at all") is None


def test_the_same_render_is_decoded_once(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def counted(*arguments: Any) -> Scene:
        decoded.append(arguments)
        return Scene(*arguments)

    monkeypatch.setattr(module, "Scene", counted)
    spec = inputs.frozen().model_dump_json()
    ahead = Ahead()
    for _ in range(3):
        ahead.begin(spec, inputs_in(inputs.state))
    assert ahead.take(spec) is not None
    assert len(decoded) == 1


def test_large_pictures_wait_for_their_turn(
    inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PIXELS", 10)
    spec = inputs.frozen().model_dump_json()
    ahead = Ahead()
    ahead.begin(spec, inputs_in(inputs.state))
    assert ahead.take(spec) is None
