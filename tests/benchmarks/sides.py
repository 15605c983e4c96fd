"""The sides of the race: each is a function that minimizes and hands over a picture every turn.

A side runs in a process of its own. What it does before its first turn (starting engines, loading
weights, compiling) is timed apart, and only one side computes at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from PIL import Image as PillowImage

from atelierd.cli.single import pair
from atelierd.engines.base import Image, StyleImage
from atelierd.engines.cntk.engine import CntkEngine
from atelierd.engines.cntk.install import install
from atelierd.engines.cntk.installation import Installation
from atelierd.engines.cntk.processor import MKL_VARIABLE
from atelierd.engines.recipe import VGG_MEAN, novak_nikulin
from atelierd.engines.torch.engine import TorchEngine
from atelierd.jobs.presets import shipped_config
from atelierd.render.live import LiveRender
from atelierd.render.pixels import to_network
from atelierd.render.scene import Scene
from atelierd.weights.network import Network, Weights
from atelierd.weights.reader import load_weights
from atelierd.weights.store import WeightStore


@dataclass(frozen=True)
class Setup:
    """What both sides are given."""

    content: Path | None
    style: Path | None
    size: int
    outer: int
    inner: int
    threads: int

    def images(self) -> tuple[Image, Image]:
        """Return content and style as the tutorial loads them, `(3, size, size)`, R, G, B."""
        return (
            network_input(self.content, "astronaut", self.size),
            network_input(self.style, "coffee", self.size),
        )


@dataclass(frozen=True)
class Turn:
    """What a side did since it last handed over."""

    evaluations: int
    image: Image | None
    """Where it stands, `(3, size, size)`; None while it works at another size."""


Side = Callable[[Setup], Iterator[Turn]]


def original(setup: Setup) -> Iterator[Turn]:
    """Run the tutorial as it is: CNTK, and SciPy's L-BFGS-B started anew for every snapshot.

    It computes in the CNTK engine's server, which holds one compiled graph; the original program
    keeps three (it compiles the network again for the content's and the style's layers), so its
    own peak memory is higher than the one measured here.
    """
    # The daemon's own CNTK engine has MKL take AVX2 on AMD processors; the original does not.
    os.environ[MKL_VARIABLE] = "0"
    content, style = setup.images()
    engine = CntkEngine(weights(), cntk(), threads=setup.threads)
    objective = engine.objective(novak_nikulin(), content, [StyleImage(style)])
    bounds = scipy.optimize.Bounds(-min(VGG_MEAN), 255 - max(VGG_MEAN))

    def function(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = objective.value_and_grad(x.reshape(content.shape).astype(np.float32))
        return value, gradient.ravel().astype(np.float64)

    x = content.ravel().astype(np.float64)
    yield Turn(0, content)
    for _ in range(setup.outer):
        result = scipy.optimize.minimize(
            function,
            x,
            method="L-BFGS-B",
            jac=True,
            bounds=bounds,
            options={"maxiter": setup.inner},
        )
        x = result.x
        yield Turn(int(result.nfev), x.reshape(content.shape).astype(np.float32))
    engine.close()


def fastest(setup: Setup, scales: int | Literal["auto"] = "auto") -> Iterator[Turn]:
    """Render as the daemon does at its fastest: coarse to fine, bf16 where that is fast, `lbfgs`.

    The tutorial's own objective and square; as many iterations as the original has on two scales
    and half as many again, of which the frame lets it do those that it needs.
    """
    with TemporaryDirectory() as folder:
        files = []
        for path, photograph in ((setup.content, "astronaut"), (setup.style, "coffee")):
            files.append(Path(folder) / f"{photograph}.png")
            _picture(path, photograph).save(files[-1])
        choices = {
            "size": setup.size,
            "iterations": setup.outer * setup.inner * 3 // 2,
            "snapshots": 1,
            "minimizer": "lbfgs",
            "precision": "auto",
            "scales": scales,
        }
        chosen = pair(files[0], files[1:], {"preset": "tutorial", **choices}, [PRESETS])
        settings = chosen.frozen.settings
        engine = TorchEngine(weights(), "cpu", setup.threads)
        scene = Scene(chosen.frozen, chosen.open_input)
        render = LiveRender(settings, scene, engine, lambda _: None)
    yield Turn(0, None)
    done = 0
    while not render.finished:
        for _ in range(_ITERATIONS_A_TURN):
            if not render.finished:
                entry = render.iterate()
        at_full_size = (entry.width, entry.height) == render.plan.size
        picture, _ = render.picture()
        image = to_network(picture, "as-is") if at_full_size else None
        yield Turn(entry.evaluations - done, image)
        done = entry.evaluations
    render.close()


#: Iterations of the daemon's side between two looks at its picture.
_ITERATIONS_A_TURN = 2
PRESETS = shipped_config() / "presets"

#: The original, and whatever races against it, by the names that the command line takes.
SIDES: dict[str, Side] = {
    "original": original,
    "fastest": fastest,
    "one-scale": partial(fastest, scales=1),
}


def _picture(path: Path | None, photograph: str) -> PillowImage.Image:
    if path is None:
        from skimage import data

        return PillowImage.fromarray(getattr(data, photograph)())
    with PillowImage.open(path) as file:
        return file.convert("RGB")


def network_input(path: Path | None, photograph: str, size: int) -> Image:
    """Return the centered square of an image file, or of scikit-image's photograph."""
    picture = _picture(path, photograph)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    resized = square.resize((size, size), PillowImage.Resampling.BICUBIC)
    shifted = np.asarray(resized, np.float32) - np.array(VGG_MEAN, np.float32)
    return np.ascontiguousarray(shifted.transpose(2, 0, 1))


def weights(network: Network = "vgg16") -> Weights:
    """Return a real VGG, fetched on first use."""
    return load_weights(WeightStore(weights_folder(), {}).fetch(network, lambda *_: None))


def weights_folder() -> Path:
    """Return the folder where real weights are kept between runs."""
    return _cache() / "test-weights"


def cntk() -> Installation:
    """Return a CNTK interpreter, installed on first use."""
    return install(_cache() / "test-state", None, gpu=False, report=lambda _: None)


def _cache() -> Path:
    return Path(os.environ.get("ATELIERD_TEST_CACHE", "~/.cache/atelierd")).expanduser()
