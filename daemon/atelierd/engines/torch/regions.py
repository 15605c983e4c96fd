"""Regions: which pixels of a layer's features count for which style, and how much.

A mask goes through the network beside the picture. At each layer it has two forms: *plain*, made
smaller by the same averages as the features, and *inside*, eroded by the layer's receptive field:
the minimum of the mask over all pixels that a feature sees, which is what a 3x3 minimum at each
convolution and a 2x2 minimum at each pooling come to. Statistics of the inside do not see across
the region's border (Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer",
arXiv:1611.07865, section 4). Deep layers see so far that little or nothing of a region may be left;
there the plain mask is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from atelierd.engines.torch.network import ResidentNetwork

#: Share of a region's plain weight that has to be left of it inside; with less, its statistics
#: would be those of a few features, and most of the region would get no style from the layer.
LEAST_INSIDE = 0.25


@dataclass(frozen=True)
class Part:
    """One region as one layer has it."""

    region: int
    """Its position among the masks."""
    weights: Tensor | None
    """`(H, W)` fp32 on the device, of the layer's size; None where all pixels count alike."""
    share: float
    """Its share of the layer's area, which its style term is weighted with: so a pixel is drawn
    as strongly to the style in a small region as in a picture without regions."""


#: The one part of a picture without masks.
EVERYWHERE = (Part(0, None, 1.0),)


class Regions:
    """The parts of one picture at every tap; without masks, all of it at each."""

    def __init__(
        self,
        network: ResidentNetwork | None = None,
        masks: Sequence[Tensor] = (),
        deepest: str = "image",
    ) -> None:
        """Bring `masks` `(H, W)` of 0..1 to the resolution of each tap up to `deepest`.

        A mask that has nothing left at a tap (it is black, or smaller than a feature in a corner
        that poolings drop) has no part there.
        """
        self._masked = bool(masks)
        self._parts: dict[str, tuple[Part, ...]] = {}
        for region, mask in enumerate(masks):
            assert network is not None
            for name, part in _parts(network, region, mask, deepest).items():
                self._parts[name] = (*self._parts.get(name, ()), part)

    def at(self, name: str) -> tuple[Part, ...]:
        """Return the parts at a tap."""
        return self._parts.get(name, ()) if self._masked else EVERYWHERE


def _parts(network: ResidentNetwork, region: int, mask: Tensor, deepest: str) -> Mapping[str, Part]:
    found: dict[str, Part] = {}
    if deepest == "image":
        return found
    plain = inside = mask[None, None]
    for block in network.blocks:
        for layer in block:
            inside = _least(inside, 3, stride=1, padding=1)
            _record(found, layer.name, region, plain, inside)
            if layer.name == deepest:
                return found
        plain = functional.avg_pool2d(plain, 2)
        inside = _least(inside, 2, stride=2, padding=0)
    _record(found, "pool5", region, plain, inside)
    return found


def _record(found: dict[str, Part], name: str, region: int, plain: Tensor, inside: Tensor) -> None:
    total = float(plain.sum())
    if total > 0:
        enough = float(inside.sum()) >= LEAST_INSIDE * total
        weights = (inside if enough else plain)[0, 0]
        found[name] = Part(region, weights, total / plain.numel())


def _least(mask: Tensor, side: int, stride: int, padding: int) -> Tensor:
    """Return the minimum over windows of `side`; beyond the picture's edge there is nothing."""
    # What max_pool2d pads with is minus infinity, which no maximum of -mask sees.
    return functional.max_pool2d(mask.neg(), side, stride, padding).neg()
