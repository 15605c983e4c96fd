from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from atelierd.errors import JobFault
from atelierd.jobs.frozen import FrozenImage, FrozenRegion, FrozenStyle, input_path
from atelierd.render.color import LUMA
from atelierd.render.pixels import from_network, to_network

Inputs = Any


def test_the_size_is_that_of_the_content_unless_a_square_is_cut(inputs: Inputs) -> None:
    for settings, size in (
        ({"size": 80}, (80, 64)),
        ({"size": (48, 40)}, (48, 40)),
        ({"size": "original"}, (100, 80)),
        ({"size": 64, "crop": "square"}, (64, 64)),
    ):
        assert inputs.scene(inputs.frozen(**settings)).size() == size


def test_the_content_is_a_network_input_of_the_size_asked_for(inputs: Inputs) -> None:
    scene = inputs.scene(inputs.frozen())
    image = scene.content((80, 64))
    assert image.shape == (3, 64, 80) and image.dtype == np.float32
    assert scene.content((40, 32)).shape == (3, 32, 40)


@pytest.mark.parametrize("order", ["bgr", "as-is"])
def test_channels_come_in_the_order_of_the_settings(inputs: Inputs, order: Any) -> None:
    frozen = inputs.frozen(channel_order=order, size="original")
    red = np.zeros((80, 100, 3), np.uint8)
    red[:, :, 0] = 200
    frozen = frozen.model_copy(update={"content": inputs.put("red.png", red)})
    image = inputs.scene(frozen).content((100, 80))
    np.testing.assert_array_equal(image, to_network(red, order))
    np.testing.assert_array_equal(from_network(image, order).round(), red)


def test_a_style_keeps_its_shape_and_gets_as_many_pixels_as_the_result(inputs: Inputs) -> None:
    (style,) = inputs.scene(inputs.frozen()).styles((80, 64))
    _, height, width = style.image.shape
    assert width / height == pytest.approx(50 / 60, abs=0.02)
    assert width * height == pytest.approx(80 * 64, rel=0.02)
    assert style.share == 1.0


def test_the_tutorials_square_cuts_the_style_to_the_same_square(inputs: Inputs) -> None:
    (style,) = inputs.scene(inputs.frozen(crop="square")).styles((64, 64))
    assert style.image.shape == (3, 64, 64)


@pytest.mark.parametrize("crop", ["none", "square"])
def test_style_scale_makes_a_style_larger_side_by_side(inputs: Inputs, crop: str) -> None:
    size = (96, 96)
    (normal,) = inputs.scene(inputs.frozen(crop=crop)).styles(size)
    for scale in (0.5, 2.0):
        (style,) = inputs.scene(inputs.frozen(crop=crop, style_scale=scale)).styles(size)
        for side in (1, 2):
            assert style.image.shape[side] == pytest.approx(scale * normal.image.shape[side], abs=1)


def test_of_a_style_that_would_be_too_large_the_middle_is_taken_and_a_note_says_so(
    inputs: Inputs,
) -> None:
    frozen = inputs.frozen(style_scale=4)
    pixels = np.zeros((80, 64, 3), np.uint8)
    pixels[20:60, 16:48] = 200
    picture = inputs.put("framed.png", pixels)
    style = FrozenStyle(path=picture.path, sha256=picture.sha256, share=1.0)
    scene = inputs.scene(frozen.model_copy(update={"styles": (style,)}))
    (found,) = scene.styles((80, 64))
    assert found.image[0].size == pytest.approx(4 * 80 * 64, rel=0.02)
    np.testing.assert_allclose(from_network(found.image, "bgr"), 200, atol=1e-3)
    assert scene.notes == (
        "framed.png: at style_scale 4 it is larger than fits beside the result; the middle 50% of "
        "its sides are compared",
    )


def test_a_very_long_style_is_never_too_thin_for_the_network(inputs: Inputs) -> None:
    frozen = inputs.frozen()
    thin = inputs.picture("thin.png", 4, 400, 3)
    style = FrozenStyle(path=thin.path, sha256=thin.sha256, share=1.0)
    (image,) = inputs.scene(frozen.model_copy(update={"styles": (style,)})).styles((48, 40))
    assert min(image.image.shape[1:]) >= 32


def test_the_start_is_the_content_the_style_noise_or_a_file(inputs: Inputs) -> None:
    size = (80, 64)
    scene = inputs.scene(inputs.frozen())
    np.testing.assert_array_equal(scene.start(size), scene.content(size))
    in_style = inputs.scene(inputs.frozen(init="style")).start(size)
    assert in_style.shape == (3, 64, 80) and not np.array_equal(in_style, scene.content(size))
    frozen = inputs.frozen(init="file")
    first = inputs.picture("first.png", 30, 30, 9)
    from_file = inputs.scene(frozen.model_copy(update={"init": first})).start(size)
    assert from_file.shape == (3, 64, 80)


def test_noise_comes_from_the_seed(inputs: Inputs) -> None:
    starts = [inputs.scene(inputs.frozen(init="random", seed=seed)) for seed in (7, 7, 8)]
    first, same, other = (scene.start((80, 64)) for scene in starts)
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    assert first.std() == pytest.approx(1.0, abs=0.05)


def test_transparency_is_kept_at_the_size_of_the_result(inputs: Inputs) -> None:
    assert inputs.scene(inputs.frozen()).alpha((80, 64)) is None
    pixels = np.full((80, 100, 4), 255, np.uint8)
    pixels[:, :50, 3] = 0
    frozen = inputs.frozen().model_copy(update={"content": inputs.put("half.png", pixels)})
    alpha = inputs.scene(frozen).alpha((80, 64))
    assert alpha is not None and alpha.shape == (64, 80)
    assert alpha[:, :35].max() == 0 and alpha[:, 45:].min() == 255


def test_a_picture_that_cannot_be_used_is_the_jobs_fault_by_its_own_name(inputs: Inputs) -> None:
    frozen = inputs.frozen()
    input_path(inputs.state, frozen.styles[0].sha256).write_bytes(b"this is text")
    with pytest.raises(JobFault, match=r"art/waves\.png"):
        inputs.scene(frozen)


def half(inputs: Inputs, name: str, height: int, width: int) -> FrozenImage:
    """Freeze a mask whose left half is white."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = 255
    return inputs.put(name, pixels)  # type: ignore[no-any-return]


def test_masks_come_at_the_sizes_of_what_they_mask(inputs: Inputs) -> None:
    masks = (
        FrozenRegion(content=half(inputs, "a.png", 80, 100), style=None),
        # Of other sizes than the pictures have, in their shapes.
        FrozenRegion(content=half(inputs, "b.png", 40, 50), style=half(inputs, "c.png", 120, 100)),
    )
    scene = inputs.scene(inputs.frozen().model_copy(update={"masks": masks}))
    first, second = scene.regions((80, 64))
    assert first.shape == second.shape == (64, 80)
    assert (first.dtype, first.min(), first.max()) == (np.float32, 0.0, 1.0)
    assert first[:, :36].min() == 1.0 and first[:, 44:].max() == 0.0
    assert first.mean() == pytest.approx(0.5, abs=0.01)
    (style,) = scene.styles((80, 64))
    whole, part = style.masks
    assert whole is None
    assert part is not None and part.shape == style.image.shape[1:]
    assert part.mean() == pytest.approx(0.5, abs=0.01)


def test_without_masks_there_are_none(inputs: Inputs) -> None:
    scene = inputs.scene(inputs.frozen())
    assert scene.regions((80, 64)) == []
    assert scene.styles((80, 64))[0].masks == ()


def test_masks_are_cropped_and_cut_as_their_pictures_are(inputs: Inputs) -> None:
    region = FrozenRegion(
        content=half(inputs, "a.png", 80, 100), style=half(inputs, "b.png", 60, 50)
    )
    frozen = inputs.frozen(size=(40, 80), style_scale=4.0)
    scene = inputs.scene(frozen.model_copy(update={"masks": (region,)}))
    (mask,) = scene.regions((40, 80))
    assert mask.shape == (80, 40)
    assert mask[:, :18].min() == 1.0 and mask[:, 22:].max() == 0.0
    (style,) = scene.styles((40, 80))
    assert style.masks[0] is not None and style.masks[0].shape == style.image.shape[1:]


def test_a_mask_is_gray_and_its_transparency_counts_as_outside(inputs: Inputs) -> None:
    pixels = np.full((80, 100, 4), 255, np.uint8)
    pixels[:40, :, :3] = 128
    pixels[:, 50:, 3] = 0
    region = FrozenRegion(content=inputs.put("soft.png", pixels), style=None)
    frozen = inputs.frozen(size="original").model_copy(update={"masks": (region,)})
    (mask,) = inputs.scene(frozen).regions((100, 80))
    np.testing.assert_allclose(mask[:40, :50], 128 / 255, atol=1e-6)
    np.testing.assert_allclose(mask[40:, :50], 1, atol=1e-6)
    assert mask[:, 50:].max() == 0.0


def test_a_mask_of_another_shape_is_the_jobs_fault(inputs: Inputs) -> None:
    for region, words in (
        (FrozenRegion(content=half(inputs, "wide.png", 40, 100), style=None), "photo.png 100 x 80"),
        (
            FrozenRegion(
                content=half(inputs, "a.png", 80, 100), style=half(inputs, "wide.png", 40, 100)
            ),
            "art/waves.png 50 x 60",
        ),
    ):
        with pytest.raises(JobFault, match=r"masks: wide\.png has 100 x 40 pixels") as caught:
            inputs.scene(inputs.frozen().model_copy(update={"masks": (region,)}))
        assert f"{words}; expected a mask of the same shape" in str(caught.value)


def test_a_mask_with_nothing_in_it_is_the_jobs_fault(inputs: Inputs) -> None:
    black = inputs.put("black.png", np.zeros((80, 100, 3), np.uint8))
    frozen = inputs.frozen()
    region = FrozenRegion(content=black, style=None)
    with pytest.raises(JobFault, match=r"masks: black\.png is black wherever the picture is used"):
        inputs.scene(frozen.model_copy(update={"masks": (region,)}))
    # White only where the picture is cropped away.
    edge = np.zeros((80, 100, 3), np.uint8)
    edge[:, :5] = 255
    cropped = inputs.frozen(size=(40, 80))
    region = FrozenRegion(content=inputs.put("edge.png", edge), style=None)
    assert inputs.scene(frozen.model_copy(update={"masks": (region,)}))
    with pytest.raises(JobFault, match=r"masks: edge\.png is black wherever"):
        inputs.scene(cropped.model_copy(update={"masks": (region,)}))


def test_a_matched_style_has_the_contents_colors_as_target_and_as_start(inputs: Inputs) -> None:
    size = (80, 64)
    frozen = inputs.frozen(color="match", init="style")
    red = np.zeros((80, 100, 3), np.uint8)
    red[:, :, 0] = np.linspace(60, 220, 100).astype(np.uint8)
    frozen = frozen.model_copy(update={"content": inputs.put("red.png", red)})
    scene = inputs.scene(frozen)
    for image in (scene.styles(size)[0].image, scene.start(size)):
        rgb = from_network(image, "bgr")
        assert rgb[:, :, 0].mean() == pytest.approx(140, abs=10)
        assert rgb[:, :, 1:].mean() < 6
    plain = inputs.scene(inputs.frozen()).styles(size)[0].image
    assert from_network(plain, "bgr")[:, :, 1:].mean() > 60


def test_kept_colors_are_put_on_what_is_shown_at_any_size(inputs: Inputs) -> None:
    gray = np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 80, axis=0).repeat(3, axis=2)
    photo = inputs.put("gray.png", gray)
    for color in ("style", "keep", "match"):
        scene = inputs.scene(inputs.frozen(color=color).model_copy(update={"content": photo}))
        for shape in ((64, 80, 3), (16, 20, 3)):
            painted = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
            shown = scene.colored(painted)
            if color == "keep":
                assert np.ptp(shown, axis=2).max() < 1e-3
                np.testing.assert_allclose(shown @ LUMA, painted @ LUMA, atol=1e-2)
            else:
                np.testing.assert_array_equal(shown, painted)
