"""The PyTorch engine: weights, compiled objectives and style targets that stay on the device."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from atelierd.allocator import give_back_freed_memory, keep_freed_memory
from atelierd.engines.base import (
    WHOLE,
    Execution,
    Image,
    Mask,
    Precision,
    StyleImage,
    WantedPrecision,
)
from atelierd.engines.recipe import Recipe
from atelierd.engines.torch import kernels
from atelierd.engines.torch.faults import device_faults
from atelierd.engines.torch.graphs import CompileMode, recorder_for
from atelierd.engines.torch.memory import CudaMemory
from atelierd.engines.torch.network import ResidentNetwork
from atelierd.engines.torch.objective import TorchObjective, WholeObjective
from atelierd.engines.torch.recomputed import RecomputedObjective
from atelierd.engines.torch.regions import Regions
from atelierd.engines.torch.tiled import TiledObjective, gram_sums
from atelierd.engines.torch.tiles import STRIDE, halo_of, tiles_of
from atelierd.weights.network import Weights

#: Compiled objectives kept, least recently used dropped: more than the scales of one pyramid ...
KEPT_OBJECTIVES = 12
#: ... and bytes of content features that they may hold beside the newest's: a large picture's are
#: gigabytes, which the next render needs itself.
KEPT_BYTES = 512 * 2**20
#: Sets of style Gram matrices kept (at most 9 MB each for VGG16): those of a large matrix job.
KEPT_STYLES = 64


class TorchEngine:
    """One network's weights on one device, with everything compiled or computed for them."""

    name = "torch"

    def __init__(
        self,
        weights: Weights,
        device: str = "auto",
        threads: int | None = None,
        compile_mode: CompileMode = "auto",
    ) -> None:
        """Load `weights` onto `device` (`auto`, `cpu`, `cuda`, `cuda:N`). Raises NodeFault."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if threads:
            torch.set_num_threads(threads)
        self.device = torch.device(device)
        kernels.compute_fp32_exactly(self.device)
        keep_freed_memory()
        self._recorder = recorder_for(self.device, compile_mode)
        self._facts = {"network": weights.network, "weights": weights.sha256}
        with device_faults():
            self._networks: dict[Precision, ResidentNetwork] = {
                "fp32": ResidentNetwork.of(weights, self.device)
            }
        self._objectives: OrderedDict[
            tuple[Recipe, Precision, Execution, int, int], TorchObjective
        ] = OrderedDict()
        self._styles: OrderedDict[tuple[Precision, Recipe, int, str], dict[str, Tensor]] = (
            OrderedDict()
        )
        give_back_freed_memory()

    @property
    def fast_precision(self) -> Precision:
        """The precision that this device computes fastest in."""
        return "bf16" if kernels.fast_precision(self.device) == "bf16" else "fp32"

    def precision(self, wanted: WantedPrecision) -> Precision:
        """Return `wanted`; the fastest for `auto`, and fp32 for `tf32` where there is no GPU."""
        if wanted == "auto":
            return self.fast_precision
        return "fp32" if wanted == "tf32" and self.device.type != "cuda" else wanted

    def describe(self) -> dict[str, str]:
        """Return name, version, device and network, for logs and receipts."""
        on_gpu = self.device.type == "cuda"
        return {
            "engine": self.name,
            "version": str(torch.__version__),
            "device": torch.cuda.get_device_name(self.device) if on_gpu else "cpu",
            "threads": str(torch.get_num_threads()),
        } | self._facts

    def objective(
        self,
        recipe: Recipe,
        content: Image,
        styles: Sequence[StyleImage],
        precision: Precision = "fp32",
        execution: Execution = WHOLE,
        regions: Sequence[Mask] = (),
    ) -> TorchObjective:
        """Compile or reuse the objective at the content's size; see `engines.base.Engine`."""
        height, width = content.shape[1:]
        key = (recipe, precision, execution, height, width)
        with device_faults(), torch.no_grad(), self._network(precision).arithmetic():
            objective = self._objectives.pop(key, None)
            self._make_room()
            for other in self._objectives.values():
                other.forget_recording()
            if objective is None:
                objective = self._compile(recipe, precision, execution, height, width)
            # Out of the cache meanwhile, and the old targets gone before the new ones come.
            digest = _digest(content)
            if not objective.compares_with(digest):
                objective.forget()
            grams = [
                self._style_targets(objective, precision, execution, styles, region)
                for region in range(max(1, len(regions)))
            ]
            if not objective.compares_with(digest):
                objective.set_content(self.to_device(content), digest)
            objective.set_style(grams, self._regions(objective, regions))
            self._objectives[key] = objective
        return objective

    def _compile(
        self, recipe: Recipe, precision: Precision, execution: Execution, height: int, width: int
    ) -> TorchObjective:
        network = self._network(precision)
        if execution.method == "tiled":
            return TiledObjective(network, recipe, height, width, execution.tile)
        if execution.method == "recompute":
            return RecomputedObjective(network, recipe, height, width)
        return WholeObjective(network, recipe, height, width, self._recorder)

    def has_compiled(
        self,
        recipe: Recipe,
        height: int,
        width: int,
        precision: Precision,
        execution: Execution = WHOLE,
    ) -> bool:
        """Whether the next objective of this size will come from the cache."""
        return (recipe, precision, execution, height, width) in self._objectives

    def memory(self) -> CudaMemory | None:
        """Return the GPU's memory; None on a CPU."""
        return CudaMemory(self.device) if self.device.type == "cuda" else None

    def to_device(self, image: Image) -> Tensor:
        """Return a copy of `image` as an fp32 tensor on the device."""
        with device_faults():
            return torch.tensor(np.asarray(image, np.float32), device=self.device)

    def to_host(self, x: Tensor) -> Image:
        """Return a copy of `x` as a NumPy float32 array."""
        with device_faults():
            return np.array(x.detach().to("cpu", torch.float32).numpy())

    def compact(self, x: Tensor) -> Tensor:
        """Return `x` in bf16."""
        return x.to(torch.bfloat16)

    def expand(self, x: Tensor) -> Tensor:
        """Return `x` in fp32."""
        return x.to(torch.float32)

    def read(self, scalars: Sequence[Tensor | float]) -> list[float]:
        """Bring scalars to the host, all in one transfer."""
        with device_faults():
            stacked = torch.stack(
                [torch.as_tensor(scalar, device=self.device) for scalar in scalars]
            )
            numbers: list[float] = stacked.tolist()
        return numbers

    def faults(self) -> AbstractContextManager[None]:
        """Return the context that turns PyTorch's errors into faults of the node."""
        return device_faults()

    def close(self) -> None:
        """Drop everything that lies on the device."""
        self._objectives.clear()
        self._styles.clear()
        self._networks.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _make_room(self) -> None:
        """Drop the objectives that were used least recently, before another one comes."""
        held = sum(objective.content_bytes for objective in self._objectives.values())
        while self._objectives and (len(self._objectives) >= KEPT_OBJECTIVES or held > KEPT_BYTES):
            _, dropped = self._objectives.popitem(last=False)
            held -= dropped.content_bytes
            dropped.forget()
            give_back_freed_memory()

    def _network(self, precision: Precision) -> ResidentNetwork:
        if precision not in self._networks:
            with device_faults():
                self._networks[precision] = self._networks["fp32"].to(precision)
        return self._networks[precision]

    def _regions(self, objective: TorchObjective, masks: Sequence[Mask]) -> Regions:
        deepest = objective.recipe.deepest_of(objective.recipe.style)
        return Regions(objective.network, [self.to_device(mask) for mask in masks], deepest)

    def _style_targets(
        self,
        objective: TorchObjective,
        precision: Precision,
        execution: Execution,
        styles: Sequence[StyleImage],
        region: int,
    ) -> dict[str, Tensor]:
        """Return the blend of the styles' normalized Gram matrices by tap, for one region."""
        total = sum(style.share for style in styles)
        blend: dict[str, Tensor] = {}
        for style in styles:
            mask = style.masks[region] if style.masks else None
            grams = self._gram_matrices(objective, precision, execution, style.image, mask)
            for name, gram in grams.items():
                part = gram * (style.share / total)
                blend[name] = blend[name] + part if name in blend else part
        return blend

    def _gram_matrices(
        self,
        objective: TorchObjective,
        precision: Precision,
        execution: Execution,
        image: Image,
        mask: Mask | None,
    ) -> dict[str, Tensor]:
        """Return a style's normalized Gram matrices, from the cache if they are there.

        Of a `mask` that has no part at a tap, all of the image is taken there.

        Tiles add up in another order, so they have an entry of their own: a resumed render must
        find the very numbers that it began with.
        """
        recipe = objective.recipe
        digest = _digest(image) + ("" if mask is None else _digest(mask))
        key = (precision, recipe, execution.tile, digest)
        if key not in self._styles:
            height, width = image.shape[1:]
            side, halo = _tiling(recipe, execution, height, width)
            sums = gram_sums(
                objective.network,
                self.to_device(image),
                objective.terms_of,
                tiles_of(height, width, side, halo),
                self._regions(objective, [] if mask is None else [mask]),
            )
            found = {
                name: parts[0].statistics(recipe.centered).normalized
                for name, parts in sums.items()
                if parts
            }
            if len(found) < len(sums):
                found = self._gram_matrices(objective, precision, execution, image, None) | found
            self._styles[key] = found
        self._styles.move_to_end(key)
        while len(self._styles) > KEPT_STYLES:
            self._styles.popitem(last=False)
        return self._styles[key]


def _digest(array: Image) -> str:
    return f"{array.shape}{hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"


def _tiling(recipe: Recipe, execution: Execution, height: int, width: int) -> tuple[int, int]:
    """Return (side, halo) in pixels of the tiles that a style image is cut into, or of its one."""
    if execution.method == "tiled":
        return execution.tile, halo_of(recipe.network, recipe.deepest)
    return -(-max(height, width) // STRIDE) * STRIDE, 0
