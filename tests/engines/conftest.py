"""Real engines to test with: CNTK in its own interpreter, the real VGG16, and photographs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from atelierd.engines.base import Image
from atelierd.engines.cntk.install import install
from atelierd.engines.cntk.installation import CntkInstallError, Installation
from atelierd.engines.recipe import VGG_MEAN
from atelierd.errors import WeightsError
from atelierd.weights.network import Weights
from atelierd.weights.reader import load_weights
from atelierd.weights.store import WeightStore


def _cache() -> Path:
    """Return the folder that outlives a test run, for what takes minutes to fetch."""
    return Path(os.environ.get("ATELIERD_TEST_CACHE", "~/.cache/atelierd")).expanduser()


@pytest.fixture(scope="session")
def cntk_installation() -> Installation:
    """CNTK 2.7, installed once; where it cannot be, the test is skipped with the reason.

    With ATELIERD_REQUIRE_CNTK=1 that is a failure.
    """
    try:
        return install(_cache() / "test-state", None, gpu=False, report=lambda _: None)
    except CntkInstallError as error:
        if os.environ.get("ATELIERD_REQUIRE_CNTK") == "1":
            pytest.fail(f"ATELIERD_REQUIRE_CNTK is set, but: {error}")
        pytest.skip(f"CNTK cannot be installed here: {error}")


@pytest.fixture(scope="session")
def vgg16() -> Weights:
    """The real VGG16."""
    store = WeightStore(_cache() / "test-weights", {})
    try:
        return load_weights(store.fetch("vgg16", lambda *_: None))
    except WeightsError as error:
        if os.environ.get("ATELIERD_REQUIRE_CNTK") == "1":
            pytest.fail(f"ATELIERD_REQUIRE_CNTK is set, but: {error}")
        pytest.skip(f"the weights of VGG16 cannot be had here: {error}")


@pytest.fixture(scope="session")
def photograph() -> Callable[[str, int, int], Image]:
    """Return a function (name in scikit-image's data, height, width) -> network input."""
    from skimage import data

    def load(name: str, height: int, width: int) -> Image:
        pixels = PillowImage.fromarray(getattr(data, name)())
        resized = pixels.resize((width, height), PillowImage.Resampling.BICUBIC)
        shifted = np.asarray(resized, np.float32) - np.array(VGG_MEAN, np.float32)
        return np.ascontiguousarray(shifted.transpose(2, 0, 1))

    return load
