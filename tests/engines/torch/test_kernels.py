"""Every fast route against the portable one, at odd sizes and down to a single pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from atelierd.engines.torch import kernels

SIZES = [(8, 8), (7, 9), (1, 5), (6, 1), (1, 1), (33, 20)]
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 1e-2}


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    height, width = request.param
    return height, width


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    assert isinstance(request.param, torch.dtype)
    return request.param


@pytest.fixture
def portable(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function that turns the fast routes off for the rest of the test."""
    return lambda: monkeypatch.setattr(kernels, "_one_dnn", lambda tensor: False)


def made(shape: tuple[int, ...], dtype: torch.dtype, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(dtype)


def features(
    size: tuple[int, int], dtype: torch.dtype, channels: int = 16, seed: int = 0
) -> Tensor:
    tensor = made((1, channels, *size), dtype, seed)
    return tensor.contiguous(memory_format=torch.channels_last)


def assert_near(found: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    difference = (found.double() - expected.double()).norm()
    assert float(difference) <= TOLERANCE[dtype] * float(expected.double().norm())


def test_rows_are_a_view_of_the_pixels(size: tuple[int, int], dtype: torch.dtype) -> None:
    tensor = features(size, dtype)
    rows = kernels.rows(tensor)
    assert rows.data_ptr() == tensor.data_ptr()
    assert rows[-1].equal(tensor[0, :, -1, -1])


def test_the_fused_convolution_is_convolution_then_relu(
    size: tuple[int, int], dtype: torch.dtype, portable: Callable[[], None]
) -> None:
    x = features(size, dtype)
    weight = made((24, 16, 3, 3), dtype, 1).contiguous(memory_format=torch.channels_last)
    bias = made((24,), dtype, 2)
    fast = kernels.convolve_relu(x, weight, bias)
    assert kernels.rows(fast).data_ptr() == fast.data_ptr()
    portable()
    assert_near(fast, kernels.convolve_relu(x, weight, bias), dtype)
    expected = functional.conv2d(x.double(), weight.double(), bias.double(), padding=1).relu()
    assert_near(fast, expected, dtype)


def test_the_backward_kernels_make_the_convolutions_own_gradient(size: tuple[int, int]) -> None:
    x = features(size, torch.float32).double().requires_grad_()
    weight = made((24, 16, 3, 3), torch.float32, 1).double()
    above = features(size, torch.float32, 24, seed=2).double()
    (expected,) = torch.autograd.grad(functional.conv2d(x, weight, padding=1), x, above)
    backward = weight.float().flip(2, 3).transpose(0, 1)
    found = kernels.convolve(above.float(), backward.contiguous(memory_format=torch.channels_last))
    assert_near(found, expected, torch.float32)


def test_mixing_channels_adds_in_place_whichever_route_it_takes(
    size: tuple[int, int], dtype: torch.dtype, portable: Callable[[], None]
) -> None:
    x, total = features(size, dtype), features(size, dtype, seed=1)
    matrix = made((16, 16), dtype, 2)
    matrix = (matrix + matrix.T).contiguous()
    offset = made((16,), dtype, 3)
    expected = kernels.rows(total).double() + kernels.rows(x).double() @ matrix.double() + offset
    fast, plain = total.clone(), total.clone()
    kernels.mix_channels_into(fast, x, matrix, offset)
    portable()
    kernels.mix_channels_into(plain, x, matrix, offset)
    assert_near(kernels.rows(fast), expected, dtype)
    assert_near(kernels.rows(plain), expected, dtype)


@pytest.mark.parametrize("height", [1, 5, 40, 64])
def test_a_gram_matrix_has_fp32_sums_whichever_route_it_takes(
    height: int, dtype: torch.dtype, portable: Callable[[], None]
) -> None:
    x = features((height, 33), dtype).abs()
    F = kernels.rows(x).double()
    fast = kernels.raw_gram(x)
    portable()
    for gram in (fast, kernels.raw_gram(x)):
        assert gram.dtype == torch.float32
        assert_near(gram, F.T @ F, dtype)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 5), (3, 2)], ids=str)
def test_pooling_drops_the_odd_last_row_and_column(
    size: tuple[int, int], dtype: torch.dtype
) -> None:
    x = features(size, dtype)
    pooled = kernels.average_pool(x)
    height, width = size[0] // 2, size[1] // 2
    blocks = x.double()[:, :, : 2 * height, : 2 * width].reshape(1, 16, height, 2, width, 2)
    assert_near(pooled, blocks.mean((3, 5)), dtype)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 5), (3, 2)], ids=str)
def test_the_gradient_of_pooling_is_what_autograd_gives(
    size: tuple[int, int], dtype: torch.dtype
) -> None:
    x = features(size, dtype).requires_grad_()
    pooled = functional.avg_pool2d(x, 2)
    above = features((size[0] // 2, size[1] // 2), dtype, seed=1)
    (expected,) = torch.autograd.grad(pooled, x, above)
    found = kernels.average_pool_gradient(above, like=x.detach())
    assert kernels.rows(found).data_ptr() == found.data_ptr()
    assert_near(found, expected, dtype)


def test_the_gradient_stops_where_a_unit_is_off(dtype: torch.dtype) -> None:
    activations = features((5, 6), dtype).relu()
    gradient = features((5, 6), dtype, seed=1)
    expected = gradient * (activations > 0)
    assert kernels.zero_where_inactive(gradient, activations).equal(expected)
    assert gradient.equal(expected)


@pytest.mark.parametrize("pixels", [1, 1000, 40_000])
def test_sums_over_pixels_are_in_fp32(pixels: int, dtype: torch.dtype) -> None:
    x = features((1, pixels), dtype, 8) + 100
    sums = kernels.column_sums(x)
    assert sums.dtype == torch.float32
    torch.testing.assert_close(sums.double(), kernels.rows(x).double().sum(0), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("pixels", [1, 1000, 40_000])
def test_squared_distances_are_in_fp32(pixels: int, dtype: torch.dtype) -> None:
    x, other = features((1, pixels), dtype, 8), features((1, pixels), dtype, 8, seed=1)
    found = kernels.squared_distance(x, other)
    assert found.dtype == torch.float32 and found.shape == ()
    assert float(found) == pytest.approx(float((x.double() - other.double()).square().sum()), 1e-5)


def test_bf16_goes_the_portable_way_where_one_dnn_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert not kernels._one_dnn(torch.zeros(1, dtype=torch.bfloat16))
    assert kernels._one_dnn(torch.zeros(1))
    assert kernels.fast_precision(torch.device("cpu")) == "fp32"


def test_fp32_means_fp32_on_cuda_too() -> None:
    flags: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [flag.allow_tf32 for flag in flags]
    try:
        for flag in flags:
            flag.allow_tf32 = True
        kernels.compute_fp32_exactly(torch.device("cpu"))
        assert all(flag.allow_tf32 for flag in flags)
        kernels.compute_fp32_exactly(torch.device("cuda"))
        assert not any(flag.allow_tf32 for flag in flags)
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value
