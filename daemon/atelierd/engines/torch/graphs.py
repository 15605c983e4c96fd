"""Evaluations recorded once and replayed: a few hundred kernels launched as one.

On a GPU small pictures are evaluated faster than Python can launch the kernels. A CUDA graph
records them with the addresses that they read and write; a replay computes the same on what lies
at these addresses by then. So the picture is copied to where the recording read it, and value and
gradient are copied from where it wrote them. Targets lie at addresses of their own: other targets
need another recording.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

#: What is recorded: tensors in, tensors out, nothing read back in between.
Function = Callable[[Tensor], tuple[Tensor, ...]]
#: The `compile` setting: `auto` records where the device can, `off` never does.
CompileMode = Literal["auto", "off"]
#: Evaluations before the recording, in which libraries choose their kernels and allocate.
WARM_UP = 3


class Recorder(Protocol):
    """Records what a function does to one tensor."""

    def record(
        self, function: Function, x: Tensor
    ) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
        """Return the function's results at `x`, and what computes them anew in the same place."""
        ...


class CudaRecorder:
    """Records as a CUDA graph."""

    def record(
        self, function: Function, x: Tensor
    ) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
        """Return the results and the graph's replay. Raises torch's errors of the device."""
        # A graph records the device that is the process's present one, which need not be this.
        with torch.cuda.device(x.device):
            current, apart = torch.cuda.current_stream(), torch.cuda.Stream()
            apart.wait_stream(current)
            with torch.cuda.stream(apart):
                for _ in range(WARM_UP):
                    function(x)
            current.wait_stream(apart)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=apart):
                results = function(x)
        return results, graph.replay


class Replayed:
    """A function that is recorded at its first call and replayed at every other."""

    def __init__(self, function: Function, recorder: Recorder) -> None:
        self._function = function
        self._recorder = recorder
        self._input: Tensor | None = None
        self._results: tuple[Tensor, ...] = ()
        self._replay: Callable[[], None] | None = None

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the function's results at `x`; they belong to the caller."""
        if self._input is None or self._replay is None:
            self._input = x.clone()
            self._results, self._replay = self._recorder.record(self._function, self._input)
        self._input.copy_(x)
        self._replay()
        return tuple(result.clone() for result in self._results)

    def forget(self) -> None:
        """Let go of the recording and its memory: what it reads is about to change."""
        self._input, self._results, self._replay = None, (), None


def recorder_for(device: torch.device, compile_mode: CompileMode) -> Recorder | None:
    """Return what records on `device`; None where evaluations are launched one by one."""
    return CudaRecorder() if device.type == "cuda" and compile_mode == "auto" else None
