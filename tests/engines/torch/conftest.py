"""The tutorial's formulas, written down plainly in double precision, to compare the engine with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from atelierd.engines.base import Image, StyleImage
from atelierd.engines.torch.engine import TorchEngine
from atelierd.weights.network import Weights

LAST_OF_BLOCK = {"vgg16": (1, 3, 6, 9, 12), "vgg19": (1, 3, 7, 11, 15)}


class Evaluation:
    """L(x) of the tutorial with its three groups of terms, and the gradient by autograd."""

    def __init__(self, x: Any, terms: dict[str, Any]) -> None:
        self.terms = {name: float(term.detach()) for name, term in terms.items()}
        self.value = sum(self.terms.values())
        (gradient,) = torch.autograd.grad(sum(terms.values()), x)
        self.gradient: NDArray[np.float64] = gradient.numpy()


class Reference:
    """The tutorial's objective for one network."""

    def __init__(self, weights: Weights) -> None:
        self._last_of_block = LAST_OF_BLOCK[weights.network]
        self._layers = [
            [torch.tensor(part, dtype=torch.float64) for part in (layer.kernels, layer.bias)]
            for layer in weights.convolutions
        ]

    def __call__(
        self,
        content: Image,
        styles: Sequence[StyleImage],
        x: Image,
        *,
        cw: float = 5.0,
        sw: float = 1.0,
        tw: float = 1.0,
        d: float = 0.5,
    ) -> Evaluation:
        point, c = torch.tensor(x).double().requires_grad_(), torch.tensor(content).double()
        a, z = self._network(point)
        with torch.no_grad():
            a_c, _ = self._network(c)
            targets = self._blend(styles)
        n = len(a)
        T = n + 1 if d == 1 else (1 - d ** (n + 1)) / (1 - d)
        C = cw / T * self._content(point, c)
        S = sw / T * self._style(z, targets[n])
        for i in range(n):
            C = C + cw * d ** (i + 1) / T * self._content(a[i], a_c[i])
            S = S + sw * d ** (n - i) / T * self._style(a[i], targets[i])
        vertical, horizontal = point[:, 1:] - point[:, :-1], point[:, :, 1:] - point[:, :, :-1]
        TV = tw * ((vertical**2).mean() + (horizontal**2).mean()) / 2
        return Evaluation(point, {"content": C, "style": S, "tv": TV})

    def _blend(self, styles: Sequence[StyleImage]) -> list[Any]:
        whole = sum(style.share for style in styles)
        grams = []
        for style in styles:
            features, pooled = self._network(torch.tensor(style.image).double())
            grams.append([style.share / whole * self._gram(f) for f in [*features, pooled]])
        return [sum(parts) for parts in zip(*grams, strict=True)]

    def _network(self, x: Any) -> tuple[list[Any], Any]:
        features, current = [], x[None]
        for i, (kernels, bias) in enumerate(self._layers):
            current = functional.relu(functional.conv2d(current, kernels, bias, padding=1))
            features.append(current[0])
            if i in self._last_of_block:
                current = functional.avg_pool2d(current, 2)
        return features, current[0]

    @staticmethod
    def _gram(a: Any) -> Any:
        """F F^T / pixels: so that a style of another size can be compared with."""
        F = a.reshape(a.shape[0], -1)
        F = F - F.mean()
        return F @ F.T / F.shape[1]

    def _style(self, a: Any, target: Any) -> Any:
        return ((self._gram(a) - target) ** 2).sum() / a.shape[0] ** 2

    @staticmethod
    def _content(a: Any, b: Any) -> Any:
        return ((a - b) ** 2).sum() / a.numel()


@pytest.fixture(scope="session")
def reference(random_vgg16: Weights) -> Reference:
    return Reference(random_vgg16)


@pytest.fixture(scope="session")
def real_reference(vgg16: Weights) -> Reference:
    return Reference(vgg16)


@pytest.fixture(scope="session")
def engine(random_vgg16: Weights) -> TorchEngine:
    return TorchEngine(random_vgg16, "cpu", threads=1)


@pytest.fixture(scope="session")
def real_engine(vgg16: Weights) -> TorchEngine:
    """An engine with the real VGG16."""
    return TorchEngine(vgg16, "cpu", threads=1)


@pytest.fixture(scope="session")
def image() -> Callable[..., Image]:
    """A function (height, width, seed) -> a network input: patches of color under some noise."""

    def image(height: int, width: int, seed: int = 0) -> Image:
        generator = np.random.default_rng((seed, height, width))
        coarse = generator.uniform(-100, 130, (3, height // 8 + 2, width // 8 + 2))
        patches = coarse.repeat(8, 1).repeat(8, 2)[:, :height, :width]
        return (patches * 0.8 + generator.normal(0, 12, patches.shape)).astype(np.float32)

    return image
