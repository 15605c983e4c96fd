"""The torch engine against real CNTK: real VGG16 weights, photographs, the tutorial's recipe.

A gradient jumps where a unit's input crosses zero, and rounding alone decides the side for a unit
that is within rounding of it: at 64 px one such unit among half a million turns the whole
gradient by up to 5e-3. So each case has three points, and one of them may meet such a unit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.optimize
import torch

from atelierd.engines.base import Engine, Image, Objective, StyleImage
from atelierd.engines.cntk.engine import CntkEngine
from atelierd.engines.cntk.installation import Installation
from atelierd.engines.cntk.processor import MKL_VARIABLE
from atelierd.engines.recipe import VGG_MEAN, gatys, novak_nikulin
from atelierd.engines.torch.engine import TorchEngine
from atelierd.weights.network import Weights

pytestmark = [pytest.mark.cntk, pytest.mark.weights, pytest.mark.slow]

Photograph = Callable[[str, int, int], Image]

#: Agreement asked of values and gradients, and what one unit at zero may do to a gradient.
VALUE, GRADIENT, JUMP = 1e-6, 1e-3, 2e-2
#: Agreement asked of the objectives of a whole run; CNTK's own test of its tutorial allows as much.
RUN = 0.03


@pytest.fixture(scope="module")
def cntk(cntk_installation: Installation, vgg16: Weights) -> Iterator[CntkEngine]:
    engine = CntkEngine(vgg16, cntk_installation, threads=2)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def torch_engine(vgg16: Weights) -> Iterator[TorchEngine]:
    engine = TorchEngine(vgg16, "cpu")
    yield engine
    engine.close()


@pytest.fixture
def one_thread(vgg16: Weights) -> Iterator[TorchEngine]:
    """A torch engine that does not suffer when other processes want the cores too."""
    threads = torch.get_num_threads()
    engine = TorchEngine(vgg16, "cpu", threads=1)
    yield engine
    engine.close()
    torch.set_num_threads(threads)


def evaluate(engine: Engine, objective: Objective, x: Image) -> tuple[float, Image]:
    value, gradient = objective.value_and_grad(engine.to_device(x))
    return engine.read([value])[0], engine.to_host(gradient)


@pytest.mark.parametrize(
    ("height", "width", "style_size"),
    [
        (64, 64, (64, 64)),
        (65, 97, (65, 97)),
        (120, 90, (100, 130)),
        (160, 160, (160, 160)),
        (201, 300, (201, 300)),
        (300, 300, (300, 300)),
    ],
)
def test_values_and_gradients_agree(
    cntk: CntkEngine,
    torch_engine: TorchEngine,
    photograph: Photograph,
    height: int,
    width: int,
    style_size: tuple[int, int],
) -> None:
    content = photograph("astronaut", height, width)
    styles = [StyleImage(photograph("coffee", *style_size))]
    random = np.random.default_rng(98052)
    noisy = content + random.normal(0, 5, content.shape).astype(np.float32)
    other = np.float32(0.5) * (content + photograph("chelsea", height, width))
    recipe = novak_nikulin()
    ours = torch_engine.objective(recipe, content, styles)
    theirs = cntk.objective(recipe, content, styles)
    differences = []
    for x in (content, noisy, other):
        value, gradient = evaluate(torch_engine, ours, x)
        expected, expected_gradient = evaluate(cntk, theirs, x)
        assert value == pytest.approx(expected, rel=VALUE)
        off = np.linalg.norm(gradient - expected_gradient) / np.linalg.norm(expected_gradient)
        differences.append(float(off))
    differences.sort()
    assert differences[1] < GRADIENT
    assert differences[2] < JUMP


def test_they_agree_on_the_recipe_of_gatys(
    cntk: CntkEngine, torch_engine: TorchEngine, photograph: Photograph
) -> None:
    content, styles = photograph("astronaut", 96, 128), [StyleImage(photograph("coffee", 100, 90))]
    recipe = gatys(content_weight=30)
    ours = torch_engine.objective(recipe, content, styles)
    theirs = cntk.objective(recipe, content, styles)
    other = np.float32(0.5) * (content + photograph("chelsea", 96, 128))
    differences = []
    for x in (content, other, np.float32(0.9) * other):
        value, gradient = evaluate(torch_engine, ours, x)
        expected, expected_gradient = evaluate(cntk, theirs, x)
        assert value == pytest.approx(expected, rel=VALUE)
        off = np.linalg.norm(gradient - expected_gradient) / np.linalg.norm(expected_gradient)
        differences.append(float(off))
    differences.sort()
    assert differences[1] < GRADIENT
    assert differences[2] < JUMP


def tutorial(engine: Engine, objective: Objective, start: Image) -> list[float]:
    """Return the objective after each of the tutorial's 10 x 20 iterations."""
    lower, upper = -min(VGG_MEAN), 255 - max(VGG_MEAN)

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = evaluate(engine, objective, x.reshape(start.shape).astype(np.float32))
        return value, gradient.ravel().astype(np.float64)

    x = start.ravel().astype(np.float64)
    objectives = []
    for _ in range(10):
        result = scipy.optimize.minimize(
            function,
            x,
            method="L-BFGS-B",
            jac=True,
            bounds=scipy.optimize.Bounds(lower, upper),
            options={"maxiter": 20},
        )
        x = result.x
        objectives.append(float(result.fun))
    return objectives


@pytest.mark.timeout(900)
def test_a_whole_run_of_the_tutorial_agrees_at_every_snapshot(
    cntk_installation: Installation,
    vgg16: Weights,
    one_thread: TorchEngine,
    photograph: Photograph,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = photograph("astronaut", 64, 64)
    styles = [StyleImage(photograph("coffee", 64, 64))]
    recipe = novak_nikulin()
    # For pictures this small, one thread on MKL's plain path is the quickest.
    monkeypatch.setenv(MKL_VARIABLE, "0")
    with contextlib.closing(CntkEngine(vgg16, cntk_installation, threads=1)) as cntk:
        theirs = tutorial(cntk, cntk.objective(recipe, content, styles), content)
    ours = tutorial(one_thread, one_thread.objective(recipe, content, styles), content)
    assert len(theirs) == 10
    assert ours == pytest.approx(theirs, rel=RUN)
