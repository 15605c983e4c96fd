"""What tests of several parts share: networks of made-up numbers, in memory and as a file."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from atelierd.weights import network as vgg
from atelierd.weights.formats import canonical
from atelierd.weights.network import Convolution, Network, Weights


def pytest_configure() -> None:
    """Hear SIGINT again, which a shell has its background jobs, and all they start, ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def made_up(network: Network) -> Weights:
    """Return weights of random numbers, scaled so that activations stay about as large."""
    generator = np.random.default_rng(16)
    layers = []
    for shape in vgg.kernel_shapes(network):
        spread = np.float32((2.0 / (shape[1] * 9)) ** 0.5)
        kernels = generator.standard_normal(shape, dtype=np.float32) * spread
        bias = generator.standard_normal(shape[0], dtype=np.float32)
        layers.append(Convolution(kernels, bias))
    return Weights(network, tuple(layers), vgg.numbers_sha256(layers), "made up")


@pytest.fixture(scope="session")
def random_vgg16() -> Weights:
    """A VGG16 of random numbers, scaled so that activations stay about as large as the input."""
    return made_up("vgg16")


@pytest.fixture
def random_vgg19() -> Weights:
    """The same for VGG19."""
    return made_up("vgg19")


@pytest.fixture(scope="session")
def random_weights(random_vgg16: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights, as a worker reads it, that has the random VGG16; not to be changed."""
    folder = tmp_path_factory.mktemp("weights")
    canonical.write(folder / "vgg16.safetensors", random_vgg16, {"configured": ""})
    return folder
