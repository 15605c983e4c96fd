"""The whole picture in less memory: features are computed a second time on the way down.

Only each block's input is kept on the way up, of the picture and of the content. On the way down
each block is climbed again, which costs as much time again as the first evaluation did.
"""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor

from atelierd.engines.torch import kernels
from atelierd.engines.torch.network import Features, Layer
from atelierd.engines.torch.objective import TorchObjective, taken_from
from atelierd.engines.torch.terms import Losses, StyleDescent


class RecomputedObjective(TorchObjective):
    """Gradient checkpointing (Chen et al., 2016) at the poolings."""

    _content_inputs: list[Tensor]

    def forget(self) -> None:
        """Let go of the targets."""
        super().forget()
        self._content_inputs = []

    @property
    def content_bytes(self) -> int:
        """Bytes that the content's image and its blocks' inputs take."""
        return super().content_bytes + sum(one.nbytes for one in self._content_inputs)

    def _keep_content(self, content: Tensor) -> None:
        deepest = self.recipe.deepest_of(self.recipe.content)
        if deepest == "image":
            return
        entering = self.network.prepare(content)
        for block in self.network.blocks:
            self._content_inputs.append(entering)
            if any(layer.name == deepest for layer in block):
                return
            *_, (_, features) = self.network.climb(block, entering)
            entering = kernels.average_pool(features)
        self._content_inputs.append(entering)

    def _network_gradient(self, x: Tensor, losses: Losses) -> Tensor:
        descents: dict[str, list[StyleDescent]] = {}
        inputs, pooled = self._up(x, descents, losses)

        def add(gradient: Tensor, name: str, features: Tensor) -> None:
            target = target_of(name) if self.terms_of.compares_content(name) else None
            elements = features.numel()
            if target is not None:
                losses.content.append(self.terms_of.content(name, features, target, elements))
            self.terms_of.add_gradient(
                gradient, name, features, target, descents.get(name, ()), elements
            )

        deepest_target = self.recipe.deepest_of(self.recipe.content)
        pooled_target = {"pool5": self._content_inputs[-1]} if deepest_target == "pool5" else {}
        target_of = taken_from(pooled_target)
        gradient = self.network.begin_descent(taken_from(pooled), add)
        while inputs:
            index = len(inputs) - 1
            block = self.network.blocks[index]
            features_of = self._climbed(index, inputs.pop(), self.recipe.deepest)
            if index < len(self._content_inputs):
                target_of = self._climbed(index, self._content_inputs[index], deepest_target)
            gradient = self.network.descend_block(block, features_of, gradient, add)
        assert gradient is not None
        return gradient[0].to(torch.float32).contiguous()

    def _up(
        self, x: Tensor, descents: dict[str, list[StyleDescent]], losses: Losses
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the input of each block that is climbed, and the features of the last pooling."""
        inputs = []
        entering = self.network.prepare(x)
        for block in self.network.blocks:
            inputs.append(entering)
            for name, features in self.network.climb(block, entering):
                if self.terms_of.compares_style(name):
                    descents[name] = self._compare_style(name, features, losses)
                if name == self.recipe.deepest:
                    return inputs, {}
            entering = kernels.average_pool(features)
        if self.terms_of.compares_style("pool5"):
            descents["pool5"] = self._compare_style("pool5", entering, losses)
        return inputs, {"pool5": entering}

    def _climbed(self, index: int, entering: Tensor, deepest: str) -> Features:
        """Return what hands over the features of a block, which are computed from its input.

        In the first block, whose features take up most of the memory, each tap is computed when it
        is asked for: what lies below it costs next to nothing, for it looks at three channels.
        """
        block = self.network.blocks[index]
        names = [layer.name for layer in block]
        if deepest in names:
            names = names[: names.index(deepest) + 1]
        if index == 0:
            return lambda name: self._tap(block, entering, name) if name in names else None
        return taken_from(dict(islice(self.network.climb(block, entering), len(names))))

    def _tap(self, block: tuple[Layer, ...], entering: Tensor, name: str) -> Tensor:
        taps = self.network.climb(block, entering)
        return next(features for found, features in taps if found == name)
