"""Small renders with the random network: two pictures in a state folder, and settings for them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from atelierd.engines.torch.engine import TorchEngine
from atelierd.jobs.frozen import FrozenImage, FrozenRender, FrozenStyle, input_path
from atelierd.jobs.resolved import RenderSettings
from atelierd.render.live import LiveRender
from atelierd.render.scene import Scene
from atelierd.weights.network import Weights

SETTINGS: dict[str, Any] = {
    "preset": "default",
    "engine": "torch",
    "network": "vgg16",
    "size": 80,
    "crop": "none",
    "iterations": 10,
    "snapshots": 3,
    "scales": 2,
    "content_weight": 5.0,
    "style_weight": 1.0,
    "tv_weight": 1.0,
    "decay": 0.5,
    "init": "content",
    "seed": 1,
    "minimizer": "lbfgs",
    "precision": "fp32",
    "channel_order": "bgr",
    "rounding": "round",
    "output_format": "png",
    "output_quality": 95,
}


class Inputs:
    """A state folder with frozen pictures in it."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def put(self, name: str, pixels: NDArray[np.uint8]) -> FrozenImage:
        """Freeze a picture: `(H, W, 3)`, or `(H, W, 4)` with alpha."""
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
        path = input_path(self.state, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
        return FrozenImage(path=name, sha256=sha256)

    def picture(self, name: str, height: int, width: int, seed: int) -> FrozenImage:
        """Freeze a picture of colored patches."""
        generator = np.random.default_rng(seed)
        coarse = generator.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        return self.put(name, coarse.repeat(8, 0).repeat(8, 1)[:height, :width])

    def frozen(self, **settings: Any) -> FrozenRender:
        """A render of a 100 x 80 content in a style of another shape."""
        content = self.picture("photo.png", 80, 100, 1)
        style = self.picture("art/waves.png", 60, 50, 2)
        return FrozenRender(
            title="photo-waves",
            content=content,
            styles=(FrozenStyle(path=style.path, sha256=style.sha256, share=1.0),),
            init=None,
            settings=RenderSettings(**SETTINGS | settings),
        )

    def scene(self, frozen: FrozenRender) -> Scene:
        return Scene(frozen, lambda image: input_path(self.state, image.sha256))


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path / "state")


@pytest.fixture(scope="session")
def engine(random_vgg16: Weights) -> TorchEngine:
    return TorchEngine(random_vgg16, "cpu", threads=1)


class Begin:
    """Begins live renders, and closes them after the test."""

    def __init__(self, inputs: Inputs, engine: TorchEngine) -> None:
        self._inputs = inputs
        self._engine = engine
        self._begun: list[LiveRender] = []
        self.said: list[str] = []

    def __call__(self, frozen: FrozenRender | None = None, **settings: Any) -> LiveRender:
        frozen = frozen or self._inputs.frozen(**settings)
        scene = self._inputs.scene(frozen)
        live = LiveRender(frozen.settings, scene, self._engine, self.said.append)
        self._begun.append(live)
        return live

    def close(self) -> None:
        for live in self._begun:
            live.close()


@pytest.fixture
def begin(inputs: Inputs, engine: TorchEngine) -> Iterator[Begin]:
    begin = Begin(inputs, engine)
    yield begin
    begin.close()
