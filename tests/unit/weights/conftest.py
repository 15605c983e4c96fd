"""Networks to test with: a made-up one that carries Oxford's first convolution, and the real ones.

Files of full size are made in a folder that is removed at the end, for each has 59 MB.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from atelierd.weights import network as vgg
from atelierd.weights.formats import canonical
from atelierd.weights.network import Convolution, Network, Weights
from atelierd.weights.reader import load_weights
from atelierd.weights.store import WeightStore


def _made_up(network: Network) -> Weights:
    with np.load(str(files("atelierd.weights").joinpath("oxford_conv1_1.npz"))) as arrays:
        first = arrays[network]
    generator = np.random.default_rng(5)
    layers = []
    for shape in vgg.kernel_shapes(network):
        kernels = generator.standard_normal(shape, dtype=np.float32)
        layers.append(Convolution(kernels, generator.standard_normal(shape[0], dtype=np.float32)))
    layers[0] = Convolution(first, layers[0].bias)
    return Weights(network, tuple(layers), vgg.numbers_sha256(layers), "made up")


@pytest.fixture(scope="session")
def vgg16() -> Weights:
    """A VGG16 of random numbers behind Oxford's first kernels."""
    return _made_up("vgg16")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that is gone after the test."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def vgg16_file(vgg16: Weights) -> Iterator[Path]:
    """The made-up VGG16 in the canonical format; not to be changed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made-up.safetensors"
        canonical.write(path, vgg16, {})
        yield path


def _real(network: Network) -> Weights:
    folder = os.environ.get("ATELIERD_TEST_CACHE", "~/.cache/atelierd/test-weights")
    return load_weights(WeightStore(Path(folder).expanduser(), {}).fetch(network, lambda *_: None))


@pytest.fixture(scope="session")
def real_vgg16() -> Weights:
    """Oxford's VGG16; fetched once, kept between runs."""
    return _real("vgg16")


@pytest.fixture(scope="session")
def real_vgg19() -> Weights:
    """Oxford's VGG19; fetched once, kept between runs."""
    return _real("vgg19")
