"""What a render yields: picture files, and the receipt that says how they were made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from atelierd import __version__
from atelierd.engines.base import Engine
from atelierd.images import encode
from atelierd.jobs.frozen import FrozenRender, FrozenStyle
from atelierd.jobs.resolved import RenderSettings
from atelierd.render.live import LiveRender

#: Characters of names in one fact that is written into a picture, and hashes there: a blend of
#: hundreds of pictures has more to tell than a picture can hold.
LONGEST_NAMES, MOST_HASHES = 1_000, 100


def picture_file(render: LiveRender, frozen: FrozenRender) -> bytes:
    """Return the picture so far as a file of the format that the settings ask for.

    Raises JobFault if the format cannot hold it.
    """
    return picture_taken(render, frozen)()


def picture_taken(render: LiveRender, frozen: FrozenRender) -> Callable[[], bytes]:
    """Return what makes a file of the picture as it is now, while the render may go on.

    It raises JobFault if the format cannot hold it.
    """
    settings = frozen.settings
    return partial(
        encode,
        *render.picture(),
        settings.output_format,
        settings.output_quality,
        _facts(render, frozen),
        settings.rounding,
    )


def receipt(render: LiveRender, frozen: FrozenRender, engine: Engine) -> dict[str, Any]:
    """Return how a finished picture was made, as plain JSON data."""
    width, height = render.plan.size
    course = render.course
    return {
        "atelierd": __version__,
        "width": width,
        "height": height,
        "iterations": course.iteration,
        "evaluations": course.evaluations,
        "seconds": round(course.seconds, 3),
        "objective": course.trace[-1].value,
        "engine": dict(engine.describe()),
        "content": frozen.content.model_dump(),
        "styles": [style.model_dump() for style in frozen.styles],
        "masks": [region.model_dump() for region in frozen.masks],
        "settings": _resolved(render, frozen).model_dump(mode="json"),
        "phases": [asdict(phase) for phase in render.plan.phases],
        "notes": [*render.scene.notes, *course.notes],
        "snapshots": course.shown,
        "trace": [asdict(entry) for entry in course.trace],
    }


def _facts(render: LiveRender, frozen: FrozenRender) -> dict[str, str]:
    """Return what is written into the picture file itself: the facts of its receipt."""
    names = " + ".join(PurePosixPath(style.path).name for style in frozen.styles)
    pictures = [frozen.content, *frozen.styles, *([frozen.init] if frozen.init else [])]
    named = {
        "Title": frozen.title,
        "Description": f"{PurePosixPath(frozen.content.path).name} in the style of {names}",
        "Content": frozen.content.path,
        "Style": ", ".join(_style(style) for style in frozen.styles),
        "Init": frozen.settings.init if frozen.init is None else frozen.init.path,
    }
    return {
        "Software": f"atelierd {__version__}",
        **{key: text[:LONGEST_NAMES] for key, text in named.items()},
        "SHA-256": " ".join(picture.sha256 for picture in pictures[:MOST_HASHES]),
        "Iteration": str(render.course.iteration),
        "Settings": _resolved(render, frozen).model_dump_json(),
    }


def _style(style: FrozenStyle) -> str:
    """Return the path of a style, and its share of a blend."""
    return style.path if style.share == 1.0 else f"{style.path}: {style.share:.6g}"


def _resolved(render: LiveRender, frozen: FrozenRender) -> RenderSettings:
    """Return the settings with the precision that the device was found to be fast in."""
    return frozen.settings.model_copy(update={"precision": render.plan.phases[0].precision})
