"""The objective and its gradient by hand: one pass up the network and one pass down.

`terms` has the formulas. What the terms at a layer contribute is added to the gradient as it passes
that layer on its way down.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from atelierd.engines.recipe import Recipe
from atelierd.engines.torch.faults import device_faults
from atelierd.engines.torch.gram import GramSums
from atelierd.engines.torch.graphs import Recorder, Replayed
from atelierd.engines.torch.network import Features, ResidentNetwork
from atelierd.engines.torch.regions import Regions
from atelierd.engines.torch.terms import GROUPS, Grams, Losses, StyleDescent, Terms


class TorchObjective(ABC):
    """x -> (value, gradient) of one recipe at one size, on the network's device."""

    def __init__(
        self,
        network: ResidentNetwork,
        recipe: Recipe,
        height: int,
        width: int,
        recorder: Recorder | None = None,
    ) -> None:
        """Compile for `height` x `width`; with a `recorder`, evaluations are replayed."""
        self.network = network
        self.recipe = recipe
        self.shape = (3, height, width)
        self.terms_of = Terms(recipe)
        self._content: Tensor | None = None
        self._content_digest = ""
        self._grams: Sequence[Grams] = ()
        self._regions = Regions()
        self._latest: dict[str, Tensor] = {}
        self._replayed = None if recorder is None else Replayed(self._evaluate, recorder)

    def compares_with(self, digest: str) -> bool:
        """Whether the content set last is the one of this digest."""
        return self._content is not None and self._content_digest == digest

    def set_content(self, content: Tensor, digest: str) -> None:
        """Compare with `content` `(3, H, W)` fp32 from now on; the targets before are let go."""
        self.forget()
        self._content, self._content_digest = content, digest
        self._keep_content(content)

    def set_style(self, grams: Sequence[Grams], regions: Regions) -> None:
        """Compare with these Gram matrices: for each of the `regions`, or once for the picture."""
        self.forget_recording()
        self._grams, self._regions = grams, regions

    def forget(self) -> None:
        """Let go of the targets, and of a recording that reads them."""
        self._content, self._grams, self._regions = None, (), Regions()
        self.forget_recording()

    def forget_recording(self) -> None:
        """Let go of a recorded evaluation and of the memory that it works in."""
        if self._replayed is not None:
            self._replayed.forget()

    @property
    def content_bytes(self) -> int:
        """Bytes that the content's targets take: they grow with the picture, the style's do not."""
        return 0 if self._content is None else self._content.nbytes

    def value_and_grad(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the objective at `x` `(3, H, W)` fp32 and its gradient, both on the device."""
        with device_faults(), torch.no_grad(), self.network.arithmetic():
            evaluate = self._evaluate if self._replayed is None else self._replayed
            value, gradient, *addends = evaluate(x)
        self._latest = dict(zip(GROUPS, addends, strict=True))
        return value, gradient

    def _evaluate(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return value, gradient and the addends of `GROUPS`, reading nothing back."""
        losses = Losses()
        reads_features = self.recipe.deepest != "image"
        gradient = self._network_gradient(x, losses) if reads_features else torch.zeros_like(x)
        self.terms_of.add_image_terms(x, self._content, gradient, losses)
        addends = losses.totals(x.device)
        return torch.stack(addends).sum(), gradient, *addends

    @property
    def latest(self) -> dict[str, Tensor]:
        """The content, style and tv addends of the last value, on the device."""
        return self._latest

    def terms(self, x: Tensor) -> dict[str, float]:
        """Return the content, style and tv addends of the objective at `x`."""
        self.value_and_grad(x)
        with device_faults():
            return {name: float(total) for name, total in self._latest.items()}

    @abstractmethod
    def _keep_content(self, content: Tensor) -> None:
        """Compute what is kept of the content's features."""

    @abstractmethod
    def _network_gradient(self, x: Tensor, losses: Losses) -> Tensor:
        """Return the gradient of all terms within the network, `(3, H, W)` fp32, to be added to."""

    def _style_descents(
        self, name: str, sums: Iterable[GramSums], losses: Losses
    ) -> list[StyleDescent]:
        """Return what the styles add to the gradient at a tap, from the sums of its parts."""
        dtype = self.network.dtype
        return [
            self.terms_of.style(name, one, part, self._grams[part.region][name], dtype, losses)
            for one, part in zip(sums, self._regions.at(name), strict=True)
        ]

    def _compare_style(self, name: str, features: Tensor, losses: Losses) -> list[StyleDescent]:
        """Return the same from the features `(1, C, H, W)` of the whole picture."""
        parts = self._regions.at(name)
        sums = (GramSums.of(features, part.weights) for part in parts)
        return self._style_descents(name, sums, losses)


class WholeObjective(TorchObjective):
    """The picture in one go: every layer's features stay until the gradient has passed them."""

    _targets: dict[str, Tensor]

    def forget(self) -> None:
        """Let go of the targets."""
        super().forget()
        self._targets = {}

    @property
    def content_bytes(self) -> int:
        """Bytes that the content's image and features take."""
        return super().content_bytes + sum(one.nbytes for one in self._targets.values())

    def _keep_content(self, content: Tensor) -> None:
        deepest = self.recipe.deepest_of(self.recipe.content)
        if deepest != "image":
            taps = self.network.taps(content, deepest)
            compared = self.terms_of.compares_content
            self._targets = {name: features for name, features in taps if compared(name)}

    def _network_gradient(self, x: Tensor, losses: Losses) -> Tensor:
        kept: dict[str, Tensor] = {}
        descents: dict[str, list[StyleDescent]] = {}
        for name, features in self.network.taps(x, self.recipe.deepest):
            kept[name] = features
            if self.terms_of.compares_style(name):
                descents[name] = self._compare_style(name, features, losses)
            target = self._targets.get(name)
            if target is not None:
                losses.content.append(
                    self.terms_of.content(name, features, target, features.numel())
                )

        def add(gradient: Tensor, name: str, features: Tensor) -> None:
            self.terms_of.add_gradient(
                gradient,
                name,
                features,
                self._targets.get(name),
                descents.get(name, ()),
                features.numel(),
            )

        return self.network.descend(taken_from(kept), add)[0].to(torch.float32).contiguous()


def taken_from(kept: dict[str, Tensor]) -> Features:
    """Return what hands over the features in `kept`, each once."""
    return lambda name: kept.pop(name, None)
