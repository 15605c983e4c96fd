"""VGG's convolutions resident on one device, in the layouts that both passes want."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from atelierd.engines.base import Precision
from atelierd.engines.recipe import BLOCKS, Network
from atelierd.engines.torch import kernels
from atelierd.weights.network import Weights

#: How each precision's numbers are kept in memory.
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Layer:
    """One convolution: `forward` `(out, in, 3, 3)`, `backward` flipped and transposed, `bias`."""

    name: str
    forward: Tensor
    backward: Tensor
    bias: Tensor

    def to(self, dtype: torch.dtype) -> Layer:
        """Return the same layer with numbers of another type."""
        return Layer(
            self.name, self.forward.to(dtype), self.backward.to(dtype), self.bias.to(dtype)
        )


#: Adds what the terms at one tap contribute: (gradient so far, tap name, features).
AddTerms = Callable[[Tensor, str, Tensor], None]
#: Hands over a tap's features, which are let go then; None above the deepest tap.
Features = Callable[[str], Tensor | None]


class ResidentNetwork:
    """The convolutions of one network on one device, in one precision."""

    def __init__(
        self, network: Network, blocks: tuple[tuple[Layer, ...], ...], precision: Precision
    ) -> None:
        self.network: Network = network
        self.precision = precision
        self.dtype = DTYPES[precision]
        self.blocks = blocks
        """The layers between two poolings, block by block."""

        self._levels = {
            layer.name: level for level, block in enumerate(self.blocks) for layer in block
        } | {"pool5": len(self.blocks)}

    def level_of(self, tap: str) -> int:
        """Return how many poolings lie before a tap, its own included."""
        return self._levels[tap]

    @classmethod
    def of(cls, weights: Weights, device: torch.device) -> ResidentNetwork:
        """Bring `weights` onto `device`, in fp32."""
        convolutions = enumerate(weights.convolutions)
        blocks = []
        for length in BLOCKS[weights.network]:
            layers = []
            for i, convolution in islice(convolutions, length):
                forward = _resident(torch.tensor(convolution.kernels, device=device))
                backward = _resident(forward.flip(2, 3).transpose(0, 1))
                bias = torch.tensor(convolution.bias, device=device)
                layers.append(Layer(f"conv{i}", forward, backward, bias))
            blocks.append(tuple(layers))
        return cls(weights.network, tuple(blocks), "fp32")

    def to(self, precision: Precision) -> ResidentNetwork:
        """Return this network computing in `precision`; numbers kept alike are shared."""
        dtype = DTYPES[precision]
        blocks = tuple(tuple(layer.to(dtype) for layer in block) for block in self.blocks)
        return ResidentNetwork(self.network, blocks, precision)

    def arithmetic(self) -> AbstractContextManager[None]:
        """Return the context that this network's convolutions are to be computed in."""
        return kernels.tensor_float() if self.precision == "tf32" else nullcontext()

    def prepare(self, x: Tensor) -> Tensor:
        """Return a `(3, H, W)` network input as `(1, 3, H, W)` features in this precision."""
        return x[None].to(self.dtype).contiguous(memory_format=torch.channels_last)

    def taps(self, x: Tensor, deepest: str) -> Iterator[tuple[str, Tensor]]:
        """Yield (tap name, features) of `x` `(3, H, W)` in order, ending with `deepest`.

        Only what the caller keeps stays in memory.
        """
        entering = self.prepare(x)
        for block in self.blocks:
            for name, features in self.climb(block, entering):
                yield name, features
                if name == deepest:
                    return
            entering = kernels.average_pool(features)
        yield "pool5", entering

    @staticmethod
    def climb(block: tuple[Layer, ...], features: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield (tap name, features) of one block from its input `(1, C, H, W)` on."""
        for layer in block:
            features = kernels.convolve_relu(features, layer.forward, layer.bias)
            yield layer.name, features

    def descend(self, features_of: Features, add: AddTerms) -> Tensor:
        """Return the gradient with respect to the network's input, `(1, 3, H, W)`.

        There must be features of at least one tap.
        """
        gradient = self.begin_descent(features_of, add)
        for block in reversed(self.blocks):
            gradient = self.descend_block(block, features_of, gradient, add)
        assert gradient is not None
        return gradient

    @staticmethod
    def begin_descent(features_of: Features, add: AddTerms) -> Tensor | None:
        """Return the gradient at the fifth pooling; None where the recipe does not go so deep."""
        pool = features_of("pool5")
        if pool is None:
            return None
        gradient = torch.zeros_like(pool)
        add(gradient, "pool5", pool)
        return gradient

    @staticmethod
    def descend_block(
        block: tuple[Layer, ...], features_of: Features, gradient: Tensor | None, add: AddTerms
    ) -> Tensor | None:
        """Return the gradient at a block's input from the one after its pooling.

        The latter is None above the deepest tap, and so is the former while it lies deeper.
        """
        for layer in reversed(block):
            features = features_of(layer.name)
            if features is None:
                continue
            if gradient is None:
                gradient = torch.zeros_like(features)
            elif layer is block[-1]:
                gradient = kernels.average_pool_gradient(gradient, like=features)
            add(gradient, layer.name, features)
            kernels.zero_where_inactive(gradient, features)
            gradient = kernels.convolve(gradient, layer.backward)
        return gradient


def _resident(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)
