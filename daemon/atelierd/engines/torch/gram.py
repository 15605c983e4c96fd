"""Gram matrices of a layer's features, summed over as many pieces of the picture as there are.

With F `(N, C)` the rows of a layer's features (N pixels), m the mean of all elements of F and s its
column sums, the mean-subtracted Gram matrix is

    G = F^T F - m (s 1^T + 1 s^T) + m^2 N

so that the sums over pieces, F^T F and s, are all that has to be known of them. Where pixels count
with weights W, it is F^T W F, m and s are weighted, and N is the sum of the weights. The plain Gram
matrix F^T F of Gatys et al. is the same with m = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from atelierd.engines.torch import kernels


@dataclass
class GramSums:
    """F^T F `(C, C)` and the column sums `(C,)` of some pixels' features, in fp32."""

    gram: Tensor
    column_sums: Tensor
    pixels: int | Tensor
    """Their number, or the sum of their weights."""

    @classmethod
    def of(cls, features: Tensor, weights: Tensor | None = None) -> GramSums:
        """Sum over the pixels of `(1, C, H, W)` features, with `(H, W)` weights or all alike."""
        if weights is None:
            pixels = features.shape[2] * features.shape[3]
            return cls(kernels.raw_gram(features), kernels.column_sums(features), pixels)
        roots = weights.sqrt().to(features.dtype)
        weighted = features * roots
        gram = kernels.raw_gram(weighted)
        return cls(gram, kernels.column_sums(weighted.mul_(roots)), weights.sum())

    def add(self, other: GramSums) -> None:
        """Count the pixels of `other`, too."""
        self.gram += other.gram
        self.column_sums += other.column_sums
        self.pixels += other.pixels

    def statistics(self, centered: bool = True) -> GramStatistics:
        """Return the statistics of all pixels so far; the sums are used up."""
        pixels, channels = self.pixels, len(self.column_sums)
        if not centered:
            nothing = self.column_sums.zero_()
            return GramStatistics(self.gram.div_(pixels), nothing, nothing.sum(), pixels)
        mean = self.column_sums.sum() / (pixels * channels)
        edge = self.column_sums * (mean / pixels)
        normalized = self.gram.div_(pixels).sub_(edge[:, None]).sub_(edge[None, :])
        return GramStatistics(normalized.add_(mean * mean), self.column_sums, mean, pixels)


@dataclass(frozen=True)
class GramStatistics:
    """A layer's Gram matrix over N pixels and what its gradient needs.

    Sums and mean are zero where the mean is not subtracted: its gradient has no such terms then.
    """

    normalized: Tensor
    """G / N, `(C, C)` in fp32."""
    column_sums: Tensor
    mean: Tensor
    pixels: int | Tensor
