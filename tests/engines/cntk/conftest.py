"""Stand-ins for the CNTK server, and a narrow VGG16 that evaluates in a moment."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from atelierd.engines.cntk.installation import Installation
from atelierd.weights.network import BLOCKS, Convolution, Weights

#: What a stand-in starts with: the protocol, its end of the socket, and the greeting answered.
PRELUDE = """
import socket, sys, time
from atelierd.engines.cntk import server as protocol
channel = socket.socket(fileno=int(sys.argv[-1]))
def greet():
    protocol.receive_message(channel)
    protocol.send_message(channel, protocol.DONE, {"cntk": "2.7", "device": "CPU"})
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[[str], Installation]:
    """Return a function: Python code -> an installation whose interpreter runs that code."""

    def make(code: str) -> Installation:
        installation = Installation(tmp_path / "cntk", gpu=False)
        installation.python.parent.mkdir(parents=True)
        installation.python.write_text(f"#!{sys.executable}\n{PRELUDE}\n{code}")
        installation.python.chmod(0o755)
        return installation

    return make


@pytest.fixture(scope="session")
def narrow_vgg() -> Weights:
    """A VGG16 of 4 to 12 random channels, scaled so that features keep their magnitude."""
    random = np.random.default_rng(98052)
    channels = 3
    convolutions = []
    for block, count in enumerate(BLOCKS["vgg16"]):
        for _ in range(count):
            out = 4 + 2 * block
            kernels = random.normal(0, (2 / (9 * channels)) ** 0.5, (out, channels, 3, 3))
            bias = random.normal(0, 1, out)
            convolutions.append(Convolution(kernels.astype(np.float32), bias.astype(np.float32)))
            channels = out
    return Weights("vgg16", tuple(convolutions), sha256="0" * 64, origin="random, for tests")
