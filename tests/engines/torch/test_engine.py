"""What the engine keeps between renders, and how its failures are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from atelierd.engines.base import Image, StyleImage
from atelierd.engines.recipe import Recipe, novak_nikulin
from atelierd.engines.torch import engine as module
from atelierd.engines.torch.engine import TorchEngine
from atelierd.engines.torch.faults import device_faults
from atelierd.engines.torch.network import ResidentNetwork
from atelierd.errors import NodeFault, OutOfMemoryFault
from atelierd.weights.network import Weights

MakeImage = Callable[..., Image]


@pytest.fixture
def fresh(random_vgg16: Weights) -> Iterator[TorchEngine]:
    """An engine whose caches are empty."""
    engine = TorchEngine(random_vgg16, "cpu", threads=1)
    yield engine
    engine.close()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the images that went up the network since the test began."""
    seen: list[tuple[int, ...]] = []
    taps = ResidentNetwork.taps

    def counted(
        self: ResidentNetwork, x: torch.Tensor, deepest: str
    ) -> Iterator[tuple[str, torch.Tensor]]:
        seen.append(tuple(x.shape))
        return taps(self, x, deepest)

    monkeypatch.setattr(ResidentNetwork, "taps", counted)
    return seen


def test_the_precision_is_the_wanted_one_or_the_fastest(fresh: TorchEngine) -> None:
    assert [fresh.precision(wanted) for wanted in ("fp32", "bf16", "auto")] == [
        *("fp32", "bf16"),
        fresh.fast_precision,
    ]


def test_an_objective_of_the_same_size_is_reused_with_its_targets_replaced(
    fresh: TorchEngine, image: MakeImage
) -> None:
    recipe, x = novak_nikulin(), fresh.to_device(image(40, 36, 3))
    first = fresh.objective(recipe, image(40, 36, 1), [StyleImage(image(33, 33, 2))])
    value = float(first.value_and_grad(x)[0])
    second = fresh.objective(recipe, image(40, 36, 4), [StyleImage(image(33, 33, 5))])
    assert second is first
    other = float(second.value_and_grad(x)[0])
    assert other != value
    third = fresh.objective(recipe, image(40, 36, 1), [StyleImage(image(33, 33, 2))])
    assert float(third.value_and_grad(x)[0]) == value


def test_size_recipe_and_precision_each_have_an_objective_of_their_own(
    fresh: TorchEngine, image: MakeImage
) -> None:
    styles = [StyleImage(image(33, 33, 2))]
    other = novak_nikulin(content_weight=7)
    objectives = [
        fresh.objective(novak_nikulin(), image(40, 36, 1), styles),
        fresh.objective(novak_nikulin(), image(36, 40, 1), styles),
        fresh.objective(other, image(40, 36, 1), styles),
        fresh.objective(novak_nikulin(), image(40, 36, 1), styles, "bf16"),
    ]
    assert len({id(objective) for objective in objectives}) == 4
    assert fresh.has_compiled(novak_nikulin(), 40, 36, "bf16")
    assert fresh.has_compiled(other, 40, 36, "fp32")
    assert not fresh.has_compiled(other, 40, 36, "bf16")
    assert not fresh.has_compiled(novak_nikulin(), 40, 40, "fp32")


def test_objectives_of_other_sizes_stay_valid(fresh: TorchEngine, image: MakeImage) -> None:
    x = fresh.to_device(image(40, 36, 3))
    small = fresh.objective(novak_nikulin(), image(40, 36, 1), [StyleImage(image(33, 33, 2))])
    before = float(small.value_and_grad(x)[0])
    fresh.objective(novak_nikulin(), image(48, 44, 1), [StyleImage(image(33, 33, 5))])
    assert float(small.value_and_grad(x)[0]) == before


def test_the_objective_used_least_recently_goes_first(
    fresh: TorchEngine, image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_OBJECTIVES", 2)
    recipe, styles = novak_nikulin(), [StyleImage(image(33, 33, 2))]
    for height in (32, 34, 32, 36):
        fresh.objective(recipe, image(height, 32, 1), styles)
    kept = [height for height in (32, 34, 36) if fresh.has_compiled(recipe, height, 32, "fp32")]
    assert kept == [32, 36]


def test_a_large_pictures_features_are_not_kept_for_the_next_render(
    fresh: TorchEngine, image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, styles = novak_nikulin(), [StyleImage(image(33, 33, 2))]
    monkeypatch.setattr(module, "KEPT_BYTES", 2_000_000)
    for height in (32, 64, 34):
        fresh.objective(recipe, image(height, 32, 1), styles)
    kept = [height for height in (32, 64, 34) if fresh.has_compiled(recipe, height, 32, "fp32")]
    assert kept == [34]
    fresh.objective(recipe, image(64, 32, 1), styles)
    assert fresh.has_compiled(recipe, 64, 32, "fp32"), "the newest is kept whatever its size"
    assert fresh.has_compiled(recipe, 34, 32, "fp32")


def test_a_failure_while_targets_are_set_leaves_no_objective_in_the_cache(
    fresh: TorchEngine, image: MakeImage
) -> None:
    recipe = novak_nikulin()
    fresh.objective(recipe, image(40, 36, 1), [StyleImage(image(33, 33, 2))])
    with pytest.raises(ZeroDivisionError):
        fresh.objective(recipe, image(40, 36, 1), [StyleImage(image(33, 33, 2), 0.0)])
    assert not fresh.has_compiled(recipe, 40, 36, "fp32")


def test_a_styles_gram_matrices_are_computed_once(
    fresh: TorchEngine, image: MakeImage, passes: list[tuple[int, ...]]
) -> None:
    style = StyleImage(image(33, 50, 2))
    fresh.objective(novak_nikulin(), image(40, 36, 1), [style])
    fresh.objective(novak_nikulin(), image(44, 36, 1), [style, StyleImage(image(33, 50, 2), 3.0)])
    assert passes.count((3, 33, 50)) == 1
    fresh.objective(novak_nikulin(), image(40, 36, 1), [style], "bf16")
    fresh.objective(novak_nikulin(), image(40, 36, 1), [StyleImage(image(33, 50, 9))])
    assert passes.count((3, 33, 50)) == 3


def test_a_contents_targets_are_computed_once_for_all_styles_that_follow(
    fresh: TorchEngine, image: MakeImage, passes: list[tuple[int, ...]]
) -> None:
    content, x = image(40, 36, 1), fresh.to_device(image(40, 36, 3))
    for seed in (2, 5, 6):
        objective = fresh.objective(novak_nikulin(), content, [StyleImage(image(33, 50, seed))])
    assert passes.count((3, 40, 36)) == 1
    value, gradient = objective.value_and_grad(x)
    fresh.objective(novak_nikulin(), image(40, 36, 9), [StyleImage(image(33, 50, 2))])
    again = fresh.objective(novak_nikulin(), content, [StyleImage(image(33, 50, 6))])
    assert float(again.value_and_grad(x)[0]) == float(value)
    assert again.value_and_grad(x)[1].equal(gradient)


def test_the_styles_used_least_recently_go_first(
    fresh: TorchEngine,
    image: MakeImage,
    passes: list[tuple[int, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEPT_STYLES", 2)
    for height in (33, 34, 33, 35, 33, 34):
        fresh.objective(novak_nikulin(), image(40, 36, 1), [StyleImage(image(height, 32, 2))])
    assert [shape[1] for shape in passes if shape[1] != 40] == [33, 34, 35, 34]


def test_the_cache_of_styles_is_not_changed_by_evaluations(
    fresh: TorchEngine, image: MakeImage
) -> None:
    styles = [StyleImage(image(33, 50, 2))]
    x = fresh.to_device(image(40, 36, 3))
    values = []
    for _ in range(2):
        objective = fresh.objective(novak_nikulin(), image(40, 36, 1), styles)
        values += [float(objective.value_and_grad(x)[0]) for _ in range(2)]
    assert len(set(values)) == 1


def test_images_are_copied_to_the_device_and_back(fresh: TorchEngine, image: MakeImage) -> None:
    picture = image(40, 36, 1)
    before = picture.copy()
    tensor = fresh.to_device(picture)
    tensor.zero_()
    assert np.array_equal(picture, before)
    host = fresh.to_host(tensor)
    host += 1
    assert float(tensor.abs().sum()) == 0.0
    assert host.dtype == np.float32
    assert fresh.to_device(picture.transpose(0, 2, 1)).shape == (3, 36, 40)


def test_scalars_are_read_together_whatever_they_are(fresh: TorchEngine) -> None:
    low = torch.tensor(3.0, dtype=torch.bfloat16)
    scalars: list[torch.Tensor | float] = [torch.tensor(1.5), 2.0, low]
    assert fresh.read(scalars) == [1.5, 2.0, 3.0]


def test_it_describes_itself_in_plain_strings(fresh: TorchEngine) -> None:
    facts = fresh.describe()
    assert facts["engine"] == "torch" and facts["device"] == "cpu"
    assert {type(value) for value in facts.values()} == {str}


def test_a_device_that_is_not_there_is_a_fault_of_the_node(random_vgg16: Weights) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(NodeFault, match="CUDA"):
        TorchEngine(random_vgg16, "cuda")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemoryFault),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), OutOfMemoryFault),
        (RuntimeError("CUDA error: out of memory"), OutOfMemoryFault),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"), OutOfMemoryFault),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), OutOfMemoryFault),
        (RuntimeError("std::bad_alloc"), OutOfMemoryFault),
        (MemoryError(), OutOfMemoryFault),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), NodeFault),
        (AssertionError("Torch not compiled with CUDA enabled"), NodeFault),
        (RuntimeError("shape mismatch"), RuntimeError),
        (AssertionError("a bug"), AssertionError),
    ],
)
def test_errors_of_the_framework_become_faults(error: Exception, fault: type[Exception]) -> None:
    with pytest.raises(fault) as caught, device_faults():
        raise error
    assert caught.type is fault


def test_an_allocation_that_cannot_be_made_is_out_of_memory() -> None:
    with pytest.raises(OutOfMemoryFault), device_faults():
        torch.empty(1 << 50)


def test_a_recipe_keys_a_cache_by_its_content() -> None:
    assert hash(novak_nikulin()) == hash(novak_nikulin())
    assert novak_nikulin() == novak_nikulin(content_weight=5.0)
    assert isinstance(novak_nikulin("vgg19"), Recipe) and novak_nikulin("vgg19").convolutions == 16


def test_tf32_is_fp32_where_there_is_no_gpu(fresh: TorchEngine, random_vgg16: Weights) -> None:
    assert fresh.precision("tf32") == "fp32"
    assert fresh.precision("bf16") == "bf16"
    assert fresh.precision("auto") == fresh.fast_precision
