"""Recorded evaluations: replayed on other pictures, recorded anew for other targets.

There need not be a GPU: a stand-in records as a CUDA graph does, with the addresses of inputs and
results, and replays by computing again into the same results. That CUDA itself can record an
evaluation is another matter: all that it asks (nothing read back, no shape that depends on
numbers) is what `test_device` holds every evaluation to, on PyTorch's `meta` device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from atelierd.engines.base import Execution, Image, StyleImage
from atelierd.engines.recipe import novak_nikulin
from atelierd.engines.torch import engine as module
from atelierd.engines.torch import kernels
from atelierd.engines.torch.engine import TorchEngine
from atelierd.engines.torch.graphs import CudaRecorder, Function, recorder_for
from atelierd.weights.network import Weights

MakeImage = Callable[..., Image]


class Rehearsal:
    """Records by the rules of a CUDA graph: same addresses in, same addresses out."""

    def __init__(self) -> None:
        self.recordings = 0
        self.replays = 0

    def record(
        self, function: Function, x: Tensor
    ) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
        self.recordings += 1
        results = function(x)

        def replay() -> None:
            self.replays += 1
            for result, fresh in zip(results, function(x), strict=True):
                result.copy_(fresh)

        return results, replay


@pytest.fixture
def rehearsal() -> Rehearsal:
    return Rehearsal()


@pytest.fixture
def recording_engine(
    random_vgg16: Weights, rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> TorchEngine:
    monkeypatch.setattr(module, "recorder_for", lambda device, mode: rehearsal)
    return TorchEngine(random_vgg16, "cpu", threads=1)


def test_replayed_evaluations_are_those_of_the_picture_at_hand(
    engine: TorchEngine, recording_engine: TorchEngine, rehearsal: Rehearsal, image: MakeImage
) -> None:
    content, styles = image(40, 36, 1), [StyleImage(image(33, 50, 2))]
    plain = engine.objective(novak_nikulin(), content, styles)
    recorded = recording_engine.objective(novak_nikulin(), content, styles)
    kept = []
    for seed in (3, 4, 5):
        x = engine.to_device(image(40, 36, seed))
        value, gradient = recorded.value_and_grad(x)
        expected_value, expected = plain.value_and_grad(x)
        assert float(value) == float(expected_value)
        assert gradient.equal(expected)
        kept.append((gradient, gradient.clone()))
    assert (rehearsal.recordings, rehearsal.replays) == (1, 3)
    assert all(given.equal(copy) for given, copy in kept), "results belong to the caller"


def test_other_targets_are_recorded_anew(
    engine: TorchEngine, recording_engine: TorchEngine, rehearsal: Rehearsal, image: MakeImage
) -> None:
    x = engine.to_device(image(40, 36, 3))
    for seed in (1, 7):
        styles = [StyleImage(image(33, 50, seed))]
        recorded = recording_engine.objective(novak_nikulin(), image(40, 36, 1), styles)
        value, _ = recorded.value_and_grad(x)
        expected, _ = engine.objective(novak_nikulin(), image(40, 36, 1), styles).value_and_grad(x)
        assert float(value) == float(expected)
    assert rehearsal.recordings == 2


def test_one_recording_is_held_at_a_time(
    recording_engine: TorchEngine, rehearsal: Rehearsal, image: MakeImage
) -> None:
    styles = [StyleImage(image(33, 50, 2))]
    small = recording_engine.objective(novak_nikulin(), image(40, 36, 1), styles)
    x = recording_engine.to_device(image(40, 36, 3))
    before, _ = small.value_and_grad(x)
    recording_engine.objective(novak_nikulin(), image(48, 36, 1), styles)
    after, _ = small.value_and_grad(x)
    assert rehearsal.recordings == 2
    assert float(before) == float(after)


@pytest.mark.parametrize("execution", [Execution("recompute"), Execution("tiled", 64)], ids=str)
def test_what_saves_memory_is_not_recorded(
    recording_engine: TorchEngine, rehearsal: Rehearsal, image: MakeImage, execution: Execution
) -> None:
    objective = recording_engine.objective(
        novak_nikulin(), image(64, 64, 1), [StyleImage(image(33, 50, 2))], "fp32", execution
    )
    objective.value_and_grad(recording_engine.to_device(image(64, 64, 3)))
    assert rehearsal.recordings == 0


def test_evaluations_are_recorded_on_cuda_unless_that_is_switched_off() -> None:
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert isinstance(recorder_for(cuda, "auto"), CudaRecorder)
    assert recorder_for(cuda, "off") is None
    assert recorder_for(cpu, "auto") is None


class FakeCuda:
    """Two GPUs as `torch.cuda` shows them: what is made without a device is of the present one."""

    def __init__(self) -> None:
        self.present = 0
        self.computed_on: list[int] = []
        self.recorded_on: list[int] = []
        self.CUDAGraph = lambda: SimpleNamespace(replay=lambda: None)

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        before, self.present = self.present, device.index
        yield
        self.present = before

    def Stream(self, device: torch.device | None = None) -> Any:  # noqa: N802 - torch's name
        index = self.present if device is None else device.index
        return SimpleNamespace(index=index, wait_stream=lambda _: None)

    current_stream = Stream

    def stream(self, stream: Any) -> Any:
        return self.device(torch.device("cuda", stream.index))

    @contextmanager
    def graph(self, _: Any, stream: Any = None) -> Iterator[None]:
        stream = self.Stream() if stream is None else stream
        self.recorded_on.append(stream.index)
        with self.stream(stream):
            yield


def test_an_evaluation_is_recorded_on_the_gpu_that_it_runs_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = FakeCuda()
    for name in ("device", "Stream", "current_stream", "stream", "graph", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))

    def function(x: Any) -> tuple[Any, ...]:
        cuda.computed_on.append(cuda.present)
        return (x,)

    second = torch.device("cuda", 1)
    CudaRecorder().record(function, SimpleNamespace(device=second))  # type: ignore[arg-type]
    assert cuda.recorded_on == [1]
    assert set(cuda.computed_on) == {1}
    assert cuda.present == 0


def test_tf32_is_allowed_while_it_is_asked_for_and_no_longer(
    random_vgg16: Weights, image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TorchEngine(random_vgg16, "cpu", threads=1)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    seen: list[bool] = []
    convolve = kernels.convolve_relu

    def watched(features: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        seen.append(torch.backends.cudnn.allow_tf32)
        return convolve(features, kernel, bias)

    monkeypatch.setattr(kernels, "convolve_relu", watched)
    styles = [StyleImage(image(33, 50, 2))]
    x = engine.to_device(image(40, 36, 3))
    values = []
    for precision, allowed in (("tf32", True), ("fp32", False)):
        seen.clear()
        objective = engine.objective(
            novak_nikulin(),
            image(40, 36, 1),
            styles,
            precision,  # type: ignore[arg-type]
        )
        values.append(float(objective.value_and_grad(x)[0]))
        assert set(seen) == {allowed}
        assert torch.backends.cudnn.allow_tf32 is False
    assert values[0] == values[1], "a CPU has no TF32 and computes in fp32"
