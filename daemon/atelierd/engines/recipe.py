"""What an engine compiles: which layers are compared, with which weights.

A tap is a place in the network where features are read: `image` (the input itself), `conv0` ..
`conv12` (the convolutions' outputs after ReLU, in order; VGG19 goes on to `conv15`) and `pool5`
(the output of the fifth pooling).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from atelierd.weights.network import BLOCKS, VGG_MEAN, Network

__all__ = [
    "BLOCKS",
    "VGG_MEAN",
    "ChannelOrder",
    "Network",
    "Recipe",
    "Tap",
    "gatys",
    "novak_nikulin",
]

ChannelOrder = Literal["bgr", "as-is"]

#: Mean activation, over all filters and pixels, of the convolutions that `gatys` reads: of Oxford's
#: weights, over the example pictures and four of scikit-image's photographs at 256 and 512 px.
MEAN_ACTIVATIONS: dict[Network, dict[int, float]] = {
    "vgg16": {0: 24.0, 2: 150.0, 4: 165.0, 7: 59.0, 8: 30.0, 10: 4.7},
    "vgg19": {0: 23.0, 2: 101.0, 4: 78.0, 8: 222.0, 9: 146.0, 12: 11.6},
}
#: Factors of the content and the style term of `gatys`.
GATYS_CONTENT, GATYS_STYLE = 1e4, 1e6


@dataclass(frozen=True)
class Tap:
    """One term of the objective: the tap's name and the weight of its loss."""

    name: str
    weight: float


@dataclass(frozen=True)
class Recipe:
    """The objective, apart from the images: hashable, so that it keys caches."""

    network: Network
    content: tuple[Tap, ...]
    style: tuple[Tap, ...]
    tv_weight: float
    centered: bool = True
    """Whether a layer's Gram matrix is that of its features minus their mean."""

    @property
    def convolutions(self) -> int:
        """Number of convolutions in the whole network."""
        return sum(BLOCKS[self.network])

    @property
    def deepest(self) -> str:
        """The last tap that any term reads: an evaluation need not go beyond it."""
        return self.deepest_of(self.content + self.style)

    def deepest_of(self, taps: tuple[Tap, ...]) -> str:
        """Return the name of the last of `taps` in the network's order that has a weight."""
        order = ["image", *(f"conv{i}" for i in range(self.convolutions)), "pool5"]
        return max((tap.name for tap in taps if tap.weight), key=order.index, default="image")


def novak_nikulin(
    network: Network = "vgg16",
    *,
    content_weight: float = 5.0,
    style_weight: float = 1.0,
    tv_weight: float = 1.0,
    decay: float = 0.5,
) -> Recipe:
    """Return the tutorial's recipe: all layers, geometric weights.

    Content weight falls with depth and style weight rises with it (Novak and Nikulin, 2016, as in
    the CNTK tutorial): with n convolutions and T = 1 + decay + ... + decay^n, the image itself is
    compared with content weight / T, convolution i with content weight * decay^(i+1) / T and
    style weight * decay^(n-i) / T, and the last pooling with style weight / T. T keeps the
    objective's magnitude independent of `decay`.
    """
    n = sum(BLOCKS[network])
    total = sum(decay**i for i in range(n + 1))
    content = [Tap("image", content_weight / total)]
    style = []
    for i in range(n):
        content.append(Tap(f"conv{i}", content_weight * decay ** (i + 1) / total))
        style.append(Tap(f"conv{i}", style_weight * decay ** (n - i) / total))
    style.append(Tap("pool5", style_weight / total))
    return Recipe(network, tuple(content), tuple(style), tv_weight)


def gatys(
    network: Network = "vgg16",
    *,
    content_weight: float = 5.0,
    style_weight: float = 1.0,
    tv_weight: float = 1.0,
) -> Recipe:
    """Return the recipe of "Image Style Transfer Using Convolutional Neural Networks" (2016).

    Content is compared in relu4_2, style in relu1_1, relu2_1, ... relu5_1 by Gram matrices of the
    features as they are, all layers alike. Gatys, Ecker and Bethge had scaled their network so
    that activations are 1 on average; with a the mean activation of a layer of this one
    (MEAN_ACTIVATIONS), dividing its features by a does the same, so that its content term is
    content weight * GATYS_CONTENT / a^2 and its style term style weight * GATYS_STYLE / (5 a^4).
    The two constants, common to both networks, bring the terms to where the weights of
    `novak_nikulin` have them: a job's weights then suit either recipe.
    """
    starts = [sum(BLOCKS[network][:block]) for block in range(len(BLOCKS[network]))]
    relu4_2 = starts[3] + 1
    means = MEAN_ACTIVATIONS[network]
    content = Tap(f"conv{relu4_2}", content_weight * GATYS_CONTENT / means[relu4_2] ** 2)
    style = tuple(
        Tap(f"conv{i}", style_weight * GATYS_STYLE / len(starts) / means[i] ** 4) for i in starts
    )
    return Recipe(network, (content,), style, tv_weight, centered=False)
