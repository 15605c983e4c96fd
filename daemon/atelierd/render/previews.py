"""Small copies of a render's pictures, left in its work folder for the pages in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from atelierd import durable
from atelierd.images import previews
from atelierd.jobs.frozen import FrozenRender
from atelierd.render import pixels
from atelierd.render.live import LiveRender

#: Folder in a render's work folder.
FOLDER = "previews"


def write_inputs(work: Path, render: LiveRender, frozen: FrozenRender) -> None:
    """Leave copies of content and styles as the render sees them: cropped, upright, in sRGB.

    Raises OSError.
    """
    scene, order = render.scene, frozen.settings.channel_order
    size = previews.within(render.plan.size, previews.LARGE)
    content = pixels.from_network(scene.content(size), order)
    stem = previews.content_stem(frozen.content.sha256)
    _write(work, previews.both_sizes(stem, content, scene.alpha(size)))
    for style, image in zip(frozen.styles, scene.styles(size), strict=True):
        rgb = pixels.from_network(image.image, order)
        _write(work, previews.both_sizes(previews.style_stem(style.sha256), rgb, None))


def snapshot_taken(work: Path, render: LiveRender) -> Callable[[], None]:
    """Return what leaves copies of the picture as it is now, a snapshot's or the result's.

    The render may go on meanwhile. It raises OSError.
    """
    glance = render.glance(previews.LARGE)
    iteration = None if render.finished else render.course.iteration

    def write() -> None:
        copies = previews.both_sizes(previews.NOW, *glance)
        if iteration is None:
            _write(work, copies)
            return
        large, small = copies.values()
        stem = previews.snapshot_stem(iteration)
        _write(work, {previews.large(stem): large, previews.small(stem): small})
        _write(work, {previews.small(previews.NOW): small})

    return write


def write_now(work: Path, render: LiveRender) -> None:
    """Leave a small copy of the picture as it is between two snapshots. Raises OSError."""
    small = previews.preview(*render.glance(previews.SMALL), previews.SMALL)
    _write(work, {previews.small(previews.NOW): small})


def _write(work: Path, copies: Mapping[str, bytes]) -> None:
    folder = work / FOLDER
    folder.mkdir(exist_ok=True)
    for name, data in copies.items():
        durable.write_bytes(folder / name, data)
