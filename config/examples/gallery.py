"""Draw a contact sheet of the looks that there are: `make gallery`.

One picture for each, from the example pictures of this folder; the masks are drawn here, too. Takes
some minutes on a CPU.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from atelierd.cli.configuration import surroundings
from atelierd.cli.single import pair
from atelierd.cli.weights import ensure_weights
from atelierd.engines.base import Engine
from atelierd.render.live import LiveRender
from atelierd.render.resident import Resident
from atelierd.render.scene import Scene

HERE = Path(__file__).parent
CONTENT, STYLE = HERE / "skyline.jpg", HERE / "whirls.jpg"
#: Long side in pixels and iterations of each picture: enough to tell the looks apart.
SIZE, ITERATIONS = 256, 60
#: Pictures side by side, and pixels of the line below each.
COLUMNS, CAPTION = 4, 26
QUALITY = 82


@dataclass(frozen=True)
class Look:
    """One picture of the sheet, with the keys that a job file would have for it."""

    caption: str
    keys: dict[str, Any] = field(default_factory=dict)
    styles: tuple[Path, ...] = (STYLE,)
    shares: tuple[float, ...] = ()
    masks: tuple[tuple[Path, Path | None], ...] = ()


def looks(masks: list[tuple[Path, Path | None]]) -> list[Look]:
    """Return the looks; `masks` are those of the look that has some."""
    return [
        Look("default"),
        Look("recipe: gatys", {"recipe": "gatys"}),
        Look("color: keep", {"color": "keep"}),
        Look("color: match", {"color": "match"}),
        Look("style_scale: 0.5", {"style_scale": 0.5}),
        Look("style_scale: 2", {"style_scale": 2}),
        Look("masks: sky as sky, bay as fields", masks=tuple(masks)),
        Look("a blend with the photo, 3 : 1", styles=(STYLE, CONTENT), shares=(3, 1)),
        Look("init: random", {"init": "random"}),
        Look("recipe: gatys, color: match", {"recipe": "gatys", "color": "match"}),
    ]


def draw_masks(folder: Path) -> list[tuple[Path, Path | None]]:
    """Write the masks of two regions, sky as sky and bay as fields, and return their paths."""
    places = {
        "sky": (CONTENT, 0.0, 0.45),
        "stars": (STYLE, 0.0, 0.62),
        "bay": (CONTENT, 0.66, 1.0),
        "fields": (STYLE, 0.72, 1.0),
    }
    for name, (path, top, bottom) in places.items():
        with Image.open(path) as opened:
            width, height = opened.size
        heights = np.arange(height) / height
        # From white to black within a tenth of the height: a soft border leaves no seam.
        inside = np.minimum(
            (heights - top) / 0.1 + (top == 0), (bottom - heights) / 0.1 + (bottom == 1)
        )
        gray = np.repeat((inside.clip(0, 1) * 255).astype(np.uint8)[:, None], width, axis=1)
        Image.fromarray(gray).save(folder / f"{name}.png")
    sky, stars, bay, fields = (folder / f"{name}.png" for name in places)
    return [(sky, stars), (bay, fields)]


def paint(look: Look, engine: Engine, presets: tuple[Path, ...]) -> Image.Image:
    """Return the picture of one look."""
    keys = {"size": SIZE, "iterations": ITERATIONS, "snapshots": 1} | look.keys
    work = pair(CONTENT, look.styles, keys, presets, look.shares, look.masks)
    render = LiveRender(
        work.frozen.settings, Scene(work.frozen, work.open_input), engine, lambda _: None
    )
    while not render.finished:
        render.iterate()
    rgb, _ = render.picture()
    render.close()
    return Image.fromarray(np.rint(rgb.clip(0, 255)).astype(np.uint8))


def sheet(pictures: list[tuple[str, Image.Image]]) -> Image.Image:
    """Return the pictures side by side, each with its caption below."""
    width = max(picture.width for _, picture in pictures)
    height = max(picture.height for _, picture in pictures) + CAPTION
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (width + 8) + 8, rows * (height + 4) + 8), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for index, (caption, picture) in enumerate(pictures):
        left = 8 + index % COLUMNS * (width + 8)
        top = 8 + index // COLUMNS * (height + 4)
        page.paste(picture, (left, top))
        draw.text((left, top + picture.height + 3), caption, fill="black", font=font)
    return page


def main(target: Path) -> None:
    """Draw all looks and write the sheet to `target`."""
    here = surroundings(None)
    ensure_weights(here.weight_store, "vgg16")
    resident = Resident(here.engine_options)
    engine = resident.engine("torch", "vgg16", lambda _: None)
    pictures = []
    for path in (CONTENT, STYLE):
        with Image.open(path) as opened:
            small = opened.convert("RGB").resize((SIZE, SIZE * opened.height // opened.width))
        pictures.append((path.stem, small))
    with tempfile.TemporaryDirectory() as folder:
        for look in looks(draw_masks(Path(folder))):
            sys.stdout.write(f"{look.caption}\n")
            sys.stdout.flush()
            pictures.append((look.caption, paint(look, engine, here.preset_folders)))
    resident.close()
    sheet(pictures).save(target, quality=QUALITY)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "gallery.jpg")
