"""Everything happens on the engine's device, and next to nothing is read back.

There need not be a GPU: PyTorch's `meta` device, which has shapes and no numbers, refuses to mix
with tensors of the CPU and has nothing to read, so what runs there never leaves its device.
"""

from __future__ import annotations

import gc
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from atelierd.engines.base import Image, Precision, StyleImage
from atelierd.engines.recipe import novak_nikulin
from atelierd.engines.torch import kernels
from atelierd.engines.torch.engine import TorchEngine
from atelierd.engines.torch.objective import TorchObjective
from atelierd.render.minimizers import Minimizer, Problem, make_minimizer
from atelierd.render.minimizers.base import MinimizerName
from atelierd.weights.network import Weights

MakeImage = Callable[..., Image]


class Watch(TorchDispatchMode):
    """Counts what is read back to the host and notes the devices of all results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reads = 0
        self.devices: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            self.reads += 1
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self.devices[tensor.device.type] += 1
        return result


def start(
    engine: TorchEngine,
    image: MakeImage,
    minimizer: MinimizerName,
    read: Callable[[Sequence[Any]], list[float]],
    precision: Precision = "fp32",
) -> Minimizer:
    objective: TorchObjective = engine.objective(
        novak_nikulin(), image(40, 36, 1), [StyleImage(image(33, 50, 2))], precision
    )

    def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = objective.value_and_grad(x.reshape(objective.shape))
        return value, gradient.reshape(-1)

    problem = Problem(evaluate, read, -103.939, 131.32, 1e-6)
    return make_minimizer(minimizer, problem, engine.to_device(image(40, 36, 1)).reshape(-1), 10)


@pytest.mark.parametrize("minimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_iteration_reads_back_once(
    engine: TorchEngine, image: MakeImage, minimizer: MinimizerName, precision: Precision
) -> None:
    reads = 0

    def read(scalars: Sequence[Any]) -> list[float]:
        nonlocal reads
        reads += 1
        return engine.read(scalars)

    running = start(engine, image, minimizer, read, precision)
    running.step()
    for _ in range(4):
        reads = 0
        with Watch() as watch:
            step = running.step()
        assert reads == step.evaluations
        assert watch.reads == 0, "something is read back beside what the minimizer asks for"
        assert watch.devices.keys() == {"cpu"}
    assert step.evaluations == 1, "the last of these steps was meant to be an ordinary one"


@pytest.mark.parametrize("minimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nothing_leaves_the_device_between_reads(
    random_vgg16: Weights, image: MakeImage, minimizer: MinimizerName, precision: Precision
) -> None:
    engine = TorchEngine(random_vgg16, "meta")
    values = iter(range(1000, 0, -1))

    def read(scalars: Sequence[Any]) -> list[float]:
        """What a search would read that takes every first trial."""
        assert all(scalar.device.type == "meta" for scalar in scalars)
        return [float(next(values)), -1.0, 1.0, 1.0, 1.0][: len(scalars)]

    running = start(engine, image, minimizer, read, precision)
    with Watch() as watch:
        for _ in range(12):
            assert math.isfinite(running.step().value)
    assert watch.devices.keys() == {"meta"}
    assert running.x.device.type == "meta"


def test_the_terms_are_read_on_request_only(engine: TorchEngine, image: MakeImage) -> None:
    objective = engine.objective(novak_nikulin(), image(40, 36, 1), [StyleImage(image(33, 50, 2))])
    x = engine.to_device(image(40, 36, 3))
    with Watch() as watch:
        objective.value_and_grad(x)
    assert watch.reads == 0
    with Watch() as watch:
        objective.terms(x)
    assert watch.reads == 3


def test_the_routes_for_other_devices_give_the_same_numbers(
    engine: TorchEngine, image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = engine.to_device(image(41, 37, 3))
    found = []
    for fast in (True, False):
        if not fast:
            monkeypatch.setattr(kernels, "_one_dnn", lambda tensor: False)
        objective = engine.objective(
            novak_nikulin(), image(41, 37, 1), [StyleImage(image(33, 50, 2))]
        )
        found.append(objective.value_and_grad(x))
    (value, gradient), (plain_value, plain_gradient) = found
    assert float(value) == pytest.approx(float(plain_value), rel=1e-6)
    # One unit within rounding of zero may tell the gradients apart by as much.
    assert float((gradient - plain_gradient).norm() / plain_gradient.norm()) < 2e-2


def test_memory_does_not_grow_once_the_history_is_full(
    engine: TorchEngine, image: MakeImage
) -> None:
    running = start(engine, image, "lbfgs", engine.read)
    for _ in range(12):
        running.step()
    before = bytes_in_tensors()
    for _ in range(4):
        running.step()
    assert bytes_in_tensors() == before


def bytes_in_tensors() -> int:
    gc.collect()
    tensors = (one for one in gc.get_objects() if issubclass(type(one), Tensor))
    return sum(one.untyped_storage().nbytes() for one in tensors)
