"""Real CNTK against the tutorial's formulas, written out here in PyTorch and left to autograd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from atelierd.engines.base import Image, StyleImage
from atelierd.engines.cntk import engine as module
from atelierd.engines.cntk.engine import CntkEngine, device_of, open_cntk_engine
from atelierd.engines.cntk.installation import Installation
from atelierd.engines.cntk.patience import Patience
from atelierd.engines.recipe import BLOCKS, Recipe, Tap, novak_nikulin
from atelierd.errors import ConfigError, JobFault, NodeFault, OutOfMemoryFault
from atelierd.weights.network import Weights

pytestmark = pytest.mark.cntk

TUTORIAL = novak_nikulin()

NewEngine = Callable[..., CntkEngine]


def layers(weights: Weights, image: torch.Tensor) -> dict[str, torch.Tensor]:
    found = {"image": image}
    y, number = image[None], 0
    for count in BLOCKS[weights.network]:
        for _ in range(count):
            convolution = weights.convolutions[number]
            kernels = torch.tensor(convolution.kernels, dtype=image.dtype)
            bias = torch.tensor(convolution.bias, dtype=image.dtype)
            y = torch.relu(torch.nn.functional.conv2d(y, kernels, bias, padding=1))
            found[f"conv{number}"] = y[0]
            number += 1
        y = torch.nn.functional.avg_pool2d(y, 2)
    found["pool5"] = y[0]
    return found


def gram(features: torch.Tensor) -> torch.Tensor:
    rows = features.reshape(len(features), -1)
    rows = rows - rows.mean()
    return rows @ rows.T / rows.shape[1]


def reference(
    weights: Weights, recipe: Recipe, content: Image, styles: Sequence[StyleImage], at: Image
) -> tuple[dict[str, float], Image]:
    """Return the terms and the gradient at `at` in double precision."""
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    here = layers(weights, x)
    there = layers(weights, torch.tensor(content, dtype=torch.float64))
    painted = [
        (style.share, layers(weights, torch.tensor(style.image, dtype=torch.float64)))
        for style in styles
    ]
    terms = dict.fromkeys(("content", "style", "tv"), torch.zeros((), dtype=torch.float64))
    for tap in recipe.content:
        loss = (here[tap.name] - there[tap.name]).square().mean()
        terms["content"] = terms["content"] + tap.weight * loss
    for tap in recipe.style:
        total = sum(share for share, _ in painted)
        target = sum(share / total * gram(features[tap.name]) for share, features in painted)
        loss = (gram(here[tap.name]) - target).square().mean()
        terms["style"] = terms["style"] + tap.weight * loss
    down, across = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    terms["tv"] = recipe.tv_weight * (down.square().mean() + across.square().mean()) / 2
    torch.stack(list(terms.values())).sum().backward()
    assert x.grad is not None
    return {name: term.item() for name, term in terms.items()}, x.grad.numpy()


def picture(seed: int, height: int, width: int) -> Image:
    """Return random blotches of the range and smoothness of a photograph."""
    random = np.random.default_rng(seed)
    coarse = torch.tensor(random.normal(0, 60, (1, 3, 2 + height // 8, 2 + width // 8)))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (smooth[0].numpy() + random.normal(0, 5, (3, height, width))).astype(np.float32)


def relative(a: Image, b: Image) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def engine(cntk_installation: Installation, narrow_vgg: Weights) -> Iterator[CntkEngine]:
    engine = CntkEngine(narrow_vgg, cntk_installation, threads=1)
    yield engine
    engine.close()


@pytest.fixture
def new_engine(cntk_installation: Installation, narrow_vgg: Weights) -> Iterator[NewEngine]:
    made = []

    def make(**options: Any) -> CntkEngine:
        made.append(CntkEngine(narrow_vgg, cntk_installation, threads=1, **options))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 48), (37, 50), (32, 33)])
@pytest.mark.parametrize("style_size", [None, (80, 45)])
def test_value_gradient_and_terms_are_those_of_the_tutorials_formulas(
    engine: CntkEngine,
    narrow_vgg: Weights,
    height: int,
    width: int,
    style_size: tuple[int, int] | None,
) -> None:
    content, x = picture(1, height, width), picture(2, height, width)
    styles = [StyleImage(picture(3, *(style_size or (height, width))))]
    objective = engine.objective(TUTORIAL, content, styles)
    value, gradient = objective.value_and_grad(x)
    terms, expected = reference(narrow_vgg, TUTORIAL, content, styles, x)
    assert objective.shape == gradient.shape == x.shape
    assert value == pytest.approx(sum(terms.values()), rel=1e-6)
    assert objective.terms(x) == pytest.approx(terms, rel=1e-5)
    assert relative(gradient, expected) < 1e-3


def test_a_blend_compares_with_the_weighted_mean_of_the_styles_of_any_sizes(
    engine: CntkEngine, narrow_vgg: Weights
) -> None:
    content, x = picture(1, 40, 48), picture(2, 40, 48)
    styles = [StyleImage(picture(3, 40, 48), 3.0), StyleImage(picture(4, 64, 33), 1.0)]
    value, gradient = engine.objective(TUTORIAL, content, styles).value_and_grad(x)
    terms, expected = reference(narrow_vgg, TUTORIAL, content, styles, x)
    assert value == pytest.approx(sum(terms.values()), rel=1e-6)
    assert relative(gradient, expected) < 1e-3


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("vgg16", (Tap("conv4", 2.0),), (Tap("conv0", 0.5), Tap("conv2", 3.0)), 0.1),
        Recipe("vgg16", (), (Tap("pool5", 1.0),), 0.0),
        Recipe("vgg16", (Tap("image", 1.0),), (), 2.0),
        Recipe("vgg16", (), (), 1.0),
    ],
    ids=["few layers", "style alone", "content alone", "smoothness alone"],
)
def test_any_recipe_can_be_compiled(
    engine: CntkEngine, narrow_vgg: Weights, recipe: Recipe
) -> None:
    content, x = picture(1, 40, 48), picture(2, 40, 48)
    styles = [StyleImage(picture(3, 40, 48))]
    value, gradient = engine.objective(recipe, content, styles).value_and_grad(x)
    terms, expected = reference(narrow_vgg, recipe, content, styles, x)
    assert value == pytest.approx(sum(terms.values()), rel=1e-6)
    assert relative(gradient, expected) < 1e-3


def test_another_content_and_style_of_the_same_size_replace_the_targets_only(
    engine: CntkEngine, narrow_vgg: Weights
) -> None:
    recipe = novak_nikulin(content_weight=3.0)
    x = picture(2, 40, 40)
    for seed, known in ((10, False), (20, True)):
        assert engine.has_compiled(recipe, 40, 40, "fp32") == known
        content, styles = picture(seed, 40, 40), [StyleImage(picture(seed + 1, 50, 40))]
        objective = engine.objective(recipe, content, styles)
        value, _ = objective.value_and_grad(x)
        terms, _ = reference(narrow_vgg, recipe, content, styles, x)
        assert value == pytest.approx(sum(terms.values()), rel=1e-6)


def test_an_objective_whose_targets_were_replaced_says_so(engine: CntkEngine) -> None:
    styles = [StyleImage(picture(3, 40, 40))]
    first = engine.objective(TUTORIAL, picture(1, 40, 40), styles)
    second = engine.objective(TUTORIAL, picture(2, 40, 40), styles)
    with pytest.raises(RuntimeError, match="replaced by a later one"):
        first.value_and_grad(picture(1, 40, 40))
    assert second.value_and_grad(picture(1, 40, 40))[0] > 0


def test_a_gradient_belongs_to_the_caller(engine: CntkEngine) -> None:
    objective = engine.objective(TUTORIAL, picture(1, 40, 40), [StyleImage(picture(3, 40, 40))])
    _, first = objective.value_and_grad(picture(1, 40, 40))
    kept = first.copy()
    _, second = objective.value_and_grad(picture(2, 40, 40))
    np.testing.assert_array_equal(first, kept)
    second += 1


def test_the_same_image_gives_the_same_bits_in_double_precision_too(engine: CntkEngine) -> None:
    objective = engine.objective(TUTORIAL, picture(1, 40, 40), [StyleImage(picture(3, 40, 40))])
    x = picture(2, 40, 40)
    value, gradient = objective.value_and_grad(x)
    again, gradient_again = objective.value_and_grad(x.astype(np.float64))
    assert value == again
    np.testing.assert_array_equal(gradient, gradient_again)


def test_sizes_are_dropped_when_memory_runs_short_and_come_back_by_themselves(
    new_engine: NewEngine,
) -> None:
    engine = new_engine(memory_limit=1)
    styles = [StyleImage(picture(3, 40, 40))]
    small = engine.objective(TUTORIAL, picture(1, 40, 40), styles)
    before = small.value_and_grad(picture(2, 40, 40))
    engine.objective(TUTORIAL, picture(1, 48, 48), styles)
    assert not engine.has_compiled(TUTORIAL, 40, 40, "fp32")
    assert engine.has_compiled(TUTORIAL, 48, 48, "fp32")
    after = small.value_and_grad(picture(2, 40, 40))
    assert after[0] == before[0]
    np.testing.assert_array_equal(after[1], before[1])


def test_memory_does_not_grow_as_contents_and_sizes_come_and_go(new_engine: NewEngine) -> None:
    engine = new_engine(memory_limit=1)
    styles = [StyleImage(picture(3, 96, 96))]

    def turn(times: int) -> int:
        for i in range(times):
            for size in (96, 128):
                engine.objective(TUTORIAL, picture(i, size, size), styles)
        return psutil.Process(engine.pid).memory_info().rss

    settled = turn(3)
    # One graph of 128 px with its targets alone takes more than this.
    assert turn(6) < settled + (8 << 20)


def test_an_image_too_small_for_the_network_is_the_jobs_fault(engine: CntkEngine) -> None:
    with pytest.raises(JobFault, match=r"the content image is 64x31 px .* at least 32 px"):
        engine.objective(TUTORIAL, picture(1, 31, 64), [StyleImage(picture(2, 64, 64))])
    with pytest.raises(JobFault, match="the style image is 20x64 px"):
        engine.objective(TUTORIAL, picture(1, 64, 64), [StyleImage(picture(2, 64, 20))])


def test_regions_are_refused_as_the_jobs_fault(engine: CntkEngine) -> None:
    with pytest.raises(JobFault, match="masks: engine cntk has none"):
        engine.objective(
            TUTORIAL,
            picture(1, 64, 64),
            [StyleImage(picture(2, 64, 64))],
            regions=[np.ones((64, 64), np.float32)],
        )


def test_a_size_beyond_the_machines_memory_is_the_jobs_fault_and_not_tried(
    new_engine: NewEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = new_engine()
    monkeypatch.setattr(module, "_machine_memory", lambda: 64 * 64 * 14_000)
    styles = [StyleImage(picture(2, 40, 40))]
    with pytest.raises(JobFault, match=r"size: 65 x 64 needs .* engine: cntk, and this machine"):
        engine.objective(TUTORIAL, picture(1, 64, 65), styles)
    assert engine.objective(TUTORIAL, picture(1, 64, 64), styles).shape == (3, 64, 64)


def test_an_image_of_another_size_than_the_objectives_is_refused(engine: CntkEngine) -> None:
    objective = engine.objective(TUTORIAL, picture(1, 40, 40), [StyleImage(picture(3, 40, 40))])
    with pytest.raises(ValueError, match="expected"):
        objective.value_and_grad(picture(1, 40, 41))


def test_devices_that_cannot_be_had_are_refused_in_words(
    cntk_installation: Installation, narrow_vgg: Weights
) -> None:
    with pytest.raises(ConfigError, match="expected cpu or"):
        CntkEngine(narrow_vgg, cntk_installation, "cuda:0")
    with pytest.raises(ConfigError, match="atelierd cntk install --gpu"):
        CntkEngine(narrow_vgg, cntk_installation, "gpu(0)")


@pytest.mark.parametrize(
    ("configured", "gpu_build", "device"),
    [
        *(("auto", False, "cpu"), ("cpu", False, "cpu"), ("cuda:1", False, "cpu")),
        *(("auto", True, "gpu(0)"), ("cpu", True, "cpu")),
        *(("cuda", True, "gpu(0)"), ("cuda:1", True, "gpu(1)")),
    ],
)
def test_the_device_is_the_configured_one_as_far_as_the_build_has_it(
    configured: str, gpu_build: bool, device: str
) -> None:
    assert device_of(configured, gpu_build) == device


def test_an_engine_is_opened_from_its_folder_alone(
    cntk_installation: Installation, narrow_vgg: Weights
) -> None:
    engine = open_cntk_engine(narrow_vgg, cntk_installation.folder, threads=1)
    assert engine.describe()["device"] == "CPU"
    engine.close()


def test_the_engine_says_what_it_is(engine: CntkEngine) -> None:
    facts = engine.describe()
    assert facts["engine"] == engine.name == "cntk"
    assert facts["version"].startswith("2.7")
    assert facts["device"] == "CPU"
    assert engine.fast_precision == engine.precision("auto") == engine.precision("bf16") == "fp32"


def test_a_server_killed_while_idle_is_a_node_fault_and_a_new_engine_goes_on(
    new_engine: NewEngine,
) -> None:
    engine = new_engine()
    content, styles = picture(1, 40, 40), [StyleImage(picture(3, 40, 40))]
    objective = engine.objective(TUTORIAL, content, styles)
    before, _ = objective.value_and_grad(content)
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(NodeFault, match="killed by SIGKILL while evaluating 40x40 px"):
        objective.value_and_grad(content)
    with pytest.raises(NodeFault, match="has ended"):
        objective.value_and_grad(content)
    after, _ = new_engine().objective(TUTORIAL, content, styles).value_and_grad(content)
    assert after == before


def test_a_stopped_server_is_ended_at_the_deadline(new_engine: NewEngine) -> None:
    second = timedelta(seconds=1)
    engine = new_engine(patience=Patience(least=second, per_megapixel=60000 * second, factor=0))
    content, styles = picture(1, 40, 40), [StyleImage(picture(3, 40, 40))]
    objective = engine.objective(TUTORIAL, content, styles)
    objective.value_and_grad(content)
    os.kill(engine.pid, signal.SIGSTOP)
    with pytest.raises(NodeFault, match="gave no answer within 1 s while evaluating"):
        objective.value_and_grad(content)
    assert not psutil.pid_exists(engine.pid)


def test_a_server_without_memory_left_is_out_of_memory(new_engine: NewEngine) -> None:
    engine = new_engine()
    process = psutil.Process(engine.pid)
    limit = process.memory_info().vms + (256 << 20)
    process.rlimit(psutil.RLIMIT_AS, (limit, limit))
    with pytest.raises(OutOfMemoryFault, match="ran out of memory while compiling 1024x1024 px"):
        engine.objective(TUTORIAL, picture(1, 1024, 1024), [StyleImage(picture(3, 64, 64))])


def test_terminating_signals_are_left_to_the_daemon(new_engine: NewEngine) -> None:
    engine = new_engine()
    objective = engine.objective(TUTORIAL, picture(1, 40, 40), [StyleImage(picture(3, 40, 40))])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(engine.pid, number)
    assert objective.value_and_grad(picture(1, 40, 40))[0] > 0


def test_the_server_ends_when_the_daemon_is_killed(cntk_installation: Installation) -> None:
    code = f"""
import numpy as np, pathlib, time
from atelierd.engines.cntk.client import Server
from atelierd.engines.cntk.installation import Installation
installation = Installation(pathlib.Path({str(cntk_installation.folder)!r}), False)
hello = {{"blocks": [], "gpu": None, "threads": 1, "memory_limit": 1}}
print(Server(installation, hello, [], threads=1, seconds=60).pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout
        server = psutil.Process(int(daemon.stdout.readline()))
        daemon.kill()
    psutil.wait_procs([server], timeout=60)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
