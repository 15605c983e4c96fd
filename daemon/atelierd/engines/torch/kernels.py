"""The few operations an evaluation is made of, each by the fastest route the device has.

Features are `(1, C, H, W)` tensors in channels_last memory, so that `rows(features)` is a free
`(H*W, C)` view. On a CPU the oneDNN operations that PyTorch's own compiler emits are called
directly: they fuse ReLU and accumulation into the convolution, and they compute Gram matrices and
channel mixing two to three times faster than the BLAS behind `@` (measured on an AMD EPYC, where
MKL does not use AVX-512). Every function has a portable route for other devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

_ONE = [1, 1]
_ZERO = [0, 0]

#: Elements that a pass over features takes at a time, so that temporaries stay in the cache.
_PIECE = 1 << 18

#: Rows that one bf16 partial Gram product sums before it is rounded; partials add up in fp32.
_GRAM_CHUNK_ROWS = 1024


def fast_precision(device: torch.device) -> str:
    """Return the precision that the device computes convolutions fastest in: `fp32` or `bf16`."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    has_bf16 = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and (
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
    return "bf16" if has_bf16 and _cpu_flag("avx512_bf16") else "fp32"


def _cpu_flag(flag: str) -> bool:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return any(line.startswith("flags") and flag in line.split() for line in file)
    except OSError:
        return False


def compute_fp32_exactly(device: torch.device) -> None:
    """Have fp32 mean fp32: on CUDA, convolutions would take TF32's ten bits of mantissa for it."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


@contextmanager
def tensor_float() -> Iterator[None]:
    """Have CUDA's convolutions of fp32 numbers take TF32, fp32's range with ten bits of mantissa.

    Matrix products stay in fp32: Gram matrices are what low precision spoils first. A device
    without TF32 computes in fp32.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _one_dnn(tensor: Tensor) -> bool:
    if tensor.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    # Without AVX-512 or its like oneDNN refuses bf16, which PyTorch itself computes, slowly.
    return tensor.dtype != torch.bfloat16 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def rows(features: Tensor) -> Tensor:
    """View `(1, C, H, W)` channels_last features as `(H*W, C)` rows of pixels."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def convolve_relu(features: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    """Return ReLU(3x3 convolution with zero padding 1) of `(1, C, H, W)` features."""
    if _one_dnn(features):
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            features, kernels, bias, _ONE, _ONE, _ONE, 1, "relu", [], ""
        )
        return fused
    return functional.conv2d(features, kernels, bias, padding=1).relu_()


def convolve(features: Tensor, kernels: Tensor) -> Tensor:
    """Return the 3x3 convolution with zero padding 1, without bias."""
    return functional.conv2d(features, kernels, padding=1)


def mix_channels_into(total: Tensor, features: Tensor, matrix: Tensor, offset: Tensor) -> None:
    """Add `rows(features) @ matrix + offset` to `total` in place.

    `matrix` `(C, C)` must be symmetric, `offset` is `(C,)`; both in the features' precision.
    """
    if _one_dnn(features):
        torch.ops.mkldnn._convolution_pointwise_.binary(
            total, features, matrix[:, :, None, None], offset,
            _ZERO, _ONE, _ONE, 1, "add", 1.0, None, [], None,
        )  # fmt: skip
    else:
        rows(total).addmm_(rows(features), matrix).add_(offset)


def raw_gram(features: Tensor) -> Tensor:
    """Return F^T F `(C, C)` in fp32 for F = rows(features)."""
    F = rows(features)
    if features.device.type == "cuda":
        return torch.mm(F.T, F) if F.dtype == torch.float32 else _gram_cuda(F)
    if F.dtype == torch.float32 and _one_dnn(features):
        # The gradient of a 1x1 convolution's kernels is F^T F when both its input and the
        # gradient of its output are F: oneDNN's route to it is the fastest there is here.
        channels = features.shape[1]
        shape_only = features.new_empty(channels, channels, 1, 1)
        gradient: Tensor = torch.ops.aten.convolution_backward(
            features, features, shape_only, None, _ONE, _ZERO, _ONE, False, _ZERO, 1,
            [False, True, False],
        )[1]  # fmt: skip
        return gradient.view(channels, channels)
    if F.dtype == torch.float32:
        return torch.mm(F.T, F)
    return _gram_in_chunks(F)


def _gram_cuda(F: Tensor) -> Tensor:
    return torch.mm(F.T, F, out_dtype=torch.float32)


def _gram_in_chunks(F: Tensor) -> Tensor:
    """Return F^T F of bf16 rows with fp32 sums.

    A bf16 product accumulates in fp32 but rounds its result to 8 bits; rounding partial products
    and adding those in fp32 averages that error away.
    """
    count = F.shape[0] // _GRAM_CHUNK_ROWS
    total = torch.zeros(F.shape[1], F.shape[1], dtype=torch.float32, device=F.device)
    if count:
        chunks = F[: count * _GRAM_CHUNK_ROWS].view(count, _GRAM_CHUNK_ROWS, F.shape[1])
        total += torch.bmm(chunks.transpose(1, 2), chunks).sum(0, dtype=torch.float32)
    rest = F[count * _GRAM_CHUNK_ROWS :]
    if len(rest):
        total += torch.mm(rest.T, rest)
    return total


def average_pool(features: Tensor) -> Tensor:
    """Return 2x2 averages at stride 2; an odd last row or column is dropped."""
    return functional.avg_pool2d(features, 2)


def average_pool_gradient(gradient: Tensor, like: Tensor) -> Tensor:
    """Return the gradient of `average_pool` with respect to its input, of the shape of `like`."""
    height, width = gradient.shape[2:]
    total = torch.empty_like(like)
    if like.shape[2] % 2:
        total[:, :, -1:].zero_()
    if like.shape[3] % 2:
        total[:, :, :, -1:].zero_()
    blocks = (
        total[:, :, : 2 * height, : 2 * width].unflatten(3, (width, 2)).unflatten(2, (height, 2))
    )
    blocks.copy_((gradient * 0.25)[:, :, :, None, :, None].expand_as(blocks))
    return total


def zero_where_inactive(gradient: Tensor, activations: Tensor) -> Tensor:
    """Zero the gradient in place where the ReLU's output is not positive; return it."""
    torch.ops.aten.threshold_backward.grad_input(gradient, activations, 0, grad_input=gradient)
    return gradient


def column_sums(features: Tensor) -> Tensor:
    """Return the sum over all pixels of each channel, `(C,)` in fp32."""
    F = rows(features)
    if F.dtype == torch.float32 or F.device.type != "cpu":
        return F.sum(0, dtype=torch.float32)
    pieces = F.split(max(1, _PIECE // F.shape[1]))
    return torch.stack([piece.float().sum(0) for piece in pieces]).sum(0)


def squared_distance(features: Tensor, target: Tensor) -> Tensor:
    """Return the sum of squared differences in fp32, a zero-dimensional tensor.

    On a CPU it goes piece by piece, so that the differences stay in the cache.
    """
    if features.device.type != "cpu":
        return (features - target).float().square_().sum()
    sums = []
    for piece, other in zip(_pieces(features), _pieces(target), strict=True):
        difference = piece - other if piece.dtype == torch.float32 else piece.float().sub_(other)
        sums.append(difference @ difference)
    return torch.stack(sums).sum()


def _pieces(features: Tensor) -> tuple[Tensor, ...]:
    pieces: tuple[Tensor, ...] = features.permute(0, 2, 3, 1).flatten().split(_PIECE)
    return pieces


def total_of(terms: Iterable[Tensor], device: torch.device) -> Tensor:
    """Return the sum of zero-dimensional tensors without reading any of them back."""
    stacked = list(terms)
    return torch.stack(stacked).sum() if stacked else torch.zeros((), device=device)
