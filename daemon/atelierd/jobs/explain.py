"""A job's renders as text: what would be done, for a person who asks beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from atelierd.jobs.expand import RenderSpec
from atelierd.jobs.resolved import RenderSettings
from atelierd.wording import shown

#: Renders that are listed one by one.
MOST_LISTED = 50


def explain(renders: Sequence[RenderSpec]) -> str:
    """Return the settings that the renders share, then a line for each render."""
    count = f"{len(renders):,} render{'' if len(renders) == 1 else 's'}"
    lines = [f"{count}, preset {renders[0].settings.preset}", *_settings(renders[0].settings)]
    for render in renders[:MOST_LISTED]:
        start = f", starting from {shown(render.init_file)}" if render.init_file else ""
        lines.append(
            f"{render.index + 1}. {shown(render.title)}: {shown(render.content)} in the style of "
            f"{_styles(render)}{start}"
        )
        lines += [
            f"   where {shown(content)} is white, "
            + ("all of the style" if style is None else f"the style where {shown(style)} is")
            for content, style in render.masks
        ]
    if len(renders) > MOST_LISTED:
        lines.append(f"... and {len(renders) - MOST_LISTED:,} more")
    return "\n".join(lines) + "\n"


def _settings(settings: RenderSettings) -> list[str]:
    size = str(settings.size)
    if isinstance(settings.size, tuple):
        size = f"{settings.size[0]}x{settings.size[1]}"
    elif isinstance(settings.size, int):
        size = f"{settings.size} on the long side"
    crop = ", cropped to the centered square" if settings.crop == "square" else ""
    scales = "automatic" if settings.scales == "auto" else str(settings.scales)
    quality = f" {settings.output_quality}" if settings.output_format in {"jpeg", "webp"} else ""
    colors = {"style": "the style's", "keep": "the content's", "match": "matched to the content"}
    rows = {
        "size": f"{size}{crop}",
        "work": f"{settings.iterations:,} iterations of {settings.minimizer}, scales {scales}, "
        f"from {settings.init}" + (f" (seed {settings.seed})" if settings.init == "random" else ""),
        "weights": f"content {settings.content_weight:g}, style {settings.style_weight:g}, "
        f"tv {settings.tv_weight:g}, decay {settings.decay:g}",
        "look": f"recipe {settings.recipe}, colors {colors[settings.color]}, "
        f"style scale {settings.style_scale:g}",
        "engine": f"{settings.engine}, {settings.network}, precision {settings.precision}, "
        f"channels {settings.channel_order}",
        "output": f"{settings.snapshots:,} snapshots, {settings.output_format}{quality}, "
        f"values {'rounded' if settings.rounding == 'round' else 'truncated'}",
    }
    return [f"  {key:8} {row}" for key, row in rows.items()]


def _styles(render: RenderSpec) -> str:
    if len(render.styles) == 1:
        return shown(render.styles[0][0])
    return " and ".join(f"{shown(path)} ({share:.0%})" for path, share in render.styles)
