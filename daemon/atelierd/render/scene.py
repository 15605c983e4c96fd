"""The pictures of a render, decoded once, as network inputs of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atelierd.engines.base import Image, Mask, StyleImage
from atelierd.images import (
    DEFAULT_LIMITS,
    ImageLimits,
    Picture,
    Samples,
    central,
    fit_size,
    load_picture,
    resize,
)
from atelierd.images.previews import within
from atelierd.jobs.frozen import FrozenImage, FrozenRender
from atelierd.render import masks, pixels
from atelierd.render.color import RGB, STATISTICS_SIDE, ColorMap, keep_colors, matching
from atelierd.render.plan import LEAST_SIDE

#: (width, height) in pixels.
Size = tuple[int, int]

#: Sides of a style relative to the result's beyond which its margins are cut off: at twice the
#: sides its Gram matrices take about as much memory as an evaluation.
MOST_STYLE_SCALE = 2.0


@dataclass(frozen=True)
class _Style:
    """A style of the blend: its picture, cut to the part that is compared, and what goes with it.

    A region's mask is None where all of the picture counts.
    """

    picture: Picture
    share: float
    colors: ColorMap | None
    masks: tuple[Picture | None, ...]


class Scene:
    """Content, styles, masks and starting picture of one render."""

    def __init__(
        self,
        frozen: FrozenRender,
        open_input: Callable[[FrozenImage], Path],
        limits: ImageLimits = DEFAULT_LIMITS,
    ) -> None:
        """Decode the images. Raises JobFault, in words, if one of them cannot be used."""

        def load(named: FrozenImage) -> Picture:
            return load_picture(open_input(named), named.path, limits)

        self._settings = frozen.settings
        self._content = load(frozen.content)
        styles = [load(style) for style in frozen.styles]
        self._init = None if frozen.init is None else load(frozen.init)
        named = [frozen.content, *frozen.styles]
        notes = [
            f"{name.path}: {note}"
            for name, picture in zip(named, [self._content, *styles], strict=True)
            for note in picture.notes
        ]
        self._regions = [
            masks.load(region.content, load, self._content, frozen.content)
            for region in frozen.masks
        ]
        for region, mask in zip(frozen.masks, self._regions, strict=True):
            thumbnail = resize(mask, within(self.size(), masks.THUMBNAIL), self._crops)
            masks.check_not_black(thumbnail, region.content)
        # At a large scale only the middle of a style has a place in memory.
        part = min(1.0, MOST_STYLE_SCALE / self._settings.style_scale)
        self._styles = []
        for style, picture in zip(frozen.styles, styles, strict=True):
            of_regions = [
                None if region.style is None else masks.load(region.style, load, picture, style)
                for region in frozen.masks
            ]
            cut = tuple(None if one is None else central(one, part) for one in of_regions)
            for region, of_region in zip(frozen.masks, cut, strict=True):
                if of_region is not None and region.style is not None:
                    masks.check_not_black(of_region, region.style)
            self._styles.append(
                _Style(central(picture, part), style.share, self._color_map(picture), cut)
            )
            if part < 1:
                notes.append(
                    f"{style.path}: at style_scale {self._settings.style_scale:g} it is larger "
                    f"than fits beside the result; the middle {part:.0%} of its sides are compared"
                )
        self.notes = tuple(notes)
        """What was done to the images while they were decoded, or lost of them."""
        self.picture_bytes = sum(
            picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)
            for picture in (self._content, *styles, *self._regions)
        )
        """Bytes of the decoded content, styles and masks."""

    def size(self) -> Size:
        """Return the (width, height) that the settings ask for."""
        return fit_size(
            self._content.width, self._content.height, self._settings.size, self._settings.crop
        )

    def content(self, size: Size) -> Image:
        """Return the content as a network input of `size`."""
        return self._to_network(resize(self._content, size, crop=self._crops).pixels)

    def styles(self, size: Size) -> list[StyleImage]:
        """Return the styles at the scale of `size`: a stroke keeps its share of the picture.

        Each keeps its own aspect ratio and gets about as many pixels as the result, times the
        square of `style_scale`; but for a square crop, which is the tutorial's and cuts the style
        to the same square.
        """
        return [
            StyleImage(
                self._to_network(self._style_pixels(style, self._style_size(style.picture, size))),
                style.share,
                tuple(
                    None if one is None else self._mask(one, self._style_size(style.picture, size))
                    for one in style.masks
                ),
            )
            for style in self._styles
        ]

    def regions(self, size: Size) -> list[Mask]:
        """Return the mask of each region of the content at `size`; none if there are no masks."""
        return [self._mask(mask, size) for mask in self._regions]

    def start(self, size: Size) -> Image:
        """Return the network input of `size` that the first phase starts from."""
        if self._settings.init == "random":
            generator = np.random.default_rng(self._settings.seed)
            return generator.standard_normal((3, size[1], size[0])).astype(np.float32)
        if self._settings.init == "content":
            return self.content(size)
        if self._init is not None:
            return self._to_network(resize(self._init, size, crop=True).pixels)
        return self._to_network(self._style_pixels(self._styles[0], size, crop=True))

    def alpha(self, size: Size) -> Samples | None:
        """Return the content's transparency `(H, W)` at `size`; None if it is opaque."""
        if self._content.alpha is None:
            return None
        return resize(self._content, size, crop=self._crops).alpha

    def colored(self, rgb: RGB) -> RGB:
        """Return a picture of the render `(H, W, 3)` as it is to be shown: `color: keep` is here.

        RGB in 0..255, not yet clipped; the render itself goes on with its own colors.
        """
        if self._settings.color != "keep":
            return rgb
        content = resize(self._content, (rgb.shape[1], rgb.shape[0]), crop=self._crops)
        return keep_colors(rgb, content.pixels.astype(np.float32))

    @property
    def _crops(self) -> bool:
        return self._settings.crop == "square" or isinstance(self._settings.size, tuple)

    def _color_map(self, style: Picture) -> ColorMap | None:
        if self._settings.color != "match":
            return None
        size = within(self.size(), STATISTICS_SIDE)
        if self._settings.crop == "square":
            style = resize(style, size, crop=True)
        return matching(style, resize(self._content, size, crop=self._crops))

    def _style_size(self, picture: Picture, size: Size) -> Size:
        scale = min(self._settings.style_scale, MOST_STYLE_SCALE)
        if self._settings.crop == "square":
            side = max(LEAST_SIDE, round(size[0] * scale))
            return side, side
        factor = scale * (size[0] * size[1] / (picture.width * picture.height)) ** 0.5
        return (
            max(LEAST_SIDE, round(picture.width * factor)),
            max(LEAST_SIDE, round(picture.height * factor)),
        )

    def _style_pixels(self, style: _Style, size: Size, crop: bool = False) -> Samples:
        found = resize(style.picture, size, crop=crop or self._crops).pixels
        return found if style.colors is None else style.colors(found)

    def _mask(self, mask: Picture, size: Size) -> Mask:
        return masks.weights(resize(mask, size, crop=self._crops))

    def _to_network(self, rgb: Samples) -> Image:
        return pixels.to_network(rgb, self._settings.channel_order)
