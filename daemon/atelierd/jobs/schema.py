"""The keys of a job file, as people write them.

This is the one source of the keys: the reader, the presets, `config/job.schema.json` and the
documentation's table are made from it. A key that is left out is None here; what it then stands
for is `resolved.resolve`'s business.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
)

from atelierd.errors import JobFault
from atelierd.jobs.relative import relative_path
from atelierd.schedule.reading import check_moment
from atelierd.wording import shown

#: Sides of a picture in pixels: five poolings leave nothing of less than 32.
SMALLEST_SIDE, LARGEST_SIDE = 32, 32_768
#: Paths and blends that one key may list.
LONGEST_LIST = 10_000
#: Regions that one job may have; each costs about as much as the style term itself.
MOST_REGIONS = 16

Engine = Literal["torch", "cntk"]
Network = Literal["vgg16", "vgg19"]
Crop = Literal["none", "square"]
Minimizer = Literal["lbfgs", "lbfgsb", "adam"]
Precision = Literal["auto", "fp32", "tf32", "bf16"]
ChannelOrder = Literal["bgr", "as-is"]
Rounding = Literal["round", "truncate"]
Format = Literal["png", "jpeg", "tiff", "webp"]
Start = Literal["content", "random", "style"]
Color = Literal["style", "keep", "match"]
RecipeName = Literal["novak-nikulin", "gatys"]


#: What word processors make of quotes: to YAML they are letters of the name.
_TYPOGRAPHIC = re.compile("[\u201c\u201e\u201d\u00ab\u00bb\u2018\u201a\u2019\u2039\u203a]")


def _path(text: str) -> str:
    if len(text) > 1 and _TYPOGRAPHIC.match(text[0]) and _TYPOGRAPHIC.match(text[-1]):
        raise ValueError(
            f"{shown(text)} has typographic quotes around it, which YAML takes for a part of the "
            "name; write straight ones, or none"
        )
    try:
        relative_path(text)
    except JobFault as fault:
        raise ValueError(str(fault)) from fault
    return text


def _size(value: Any) -> Any:
    """Turn `1024x768` into (1024, 768); anything else is left for the types to judge."""
    if isinstance(value, str):
        sides = re.fullmatch(r"\s*(\d{1,6})\s*[xX×]\s*(\d{1,6})\s*", value)  # noqa: RUF001
        if sides:
            return int(sides[1]), int(sides[2])
    return value


def _name(text: str) -> str:
    if not text.strip() or any(unicodedata.category(c) in {"Cc", "Cs"} for c in text):
        raise ValueError("a name is one line of visible text")
    return text.strip()


Path: TypeAlias = Annotated[str, AfterValidator(_path), Field(title="a path")]
Side: TypeAlias = Annotated[int, Field(ge=SMALLEST_SIDE, le=LARGEST_SIDE)]
Size: TypeAlias = Annotated[
    Side | tuple[Side, Side] | Literal["original"],
    BeforeValidator(_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": SMALLEST_SIDE, "maximum": LARGEST_SIDE},
                {
                    "type": "string",
                    "pattern": r"^\s*\d{2,5}\s*[xX×]\s*\d{2,5}\s*$",  # noqa: RUF001
                    "title": f"WIDTHxHEIGHT with sides of {SMALLEST_SIDE} to {LARGEST_SIDE}",
                },
                {"const": "original"},
            ]
        }
    ),
]
Weight: TypeAlias = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Blend: TypeAlias = Annotated[
    dict[Path, Share], Field(min_length=1, max_length=64, title="a blend {path: weight, ...}")
]
Moment: TypeAlias = Annotated[
    str, AfterValidator(check_moment), Field(title="a time, a date, or both")
]
PathList: TypeAlias = Annotated[list[Path], Field(min_length=1, max_length=LONGEST_LIST)]
StyleList: TypeAlias = Annotated[list[Path | Blend], Field(min_length=1, max_length=LONGEST_LIST)]


class _Keys(BaseModel):
    """Settings shared by all files: no unknown keys, no conversions, no empty values."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("the value is missing")
        return value


class Output(_Keys):
    """How the pictures are written."""

    format: Format | None = Field(
        default=None, description="File format of the pictures: png, jpeg, tiff or webp."
    )
    quality: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Compression quality of jpeg and webp, 1 to 100."
    )


class Region(_Keys):
    """A part of the content, and the part of the style that it takes its style from."""

    content: Path = Field(
        description="A gray picture of the content's shape: white where the region is, black "
        "where it is not, gray in between."
    )
    style: Path | None = Field(
        default=None,
        description="The same for the style: white where the region's style is taken from; all of "
        "the style where nothing is said.",
    )


RegionList: TypeAlias = Annotated[list[Region], Field(min_length=1, max_length=MOST_REGIONS)]


class Choices(_Keys):
    """The keys that a preset and a job file have in common."""

    size: Size | None = Field(
        default=None,
        description="Size of the picture in pixels: the long side, `WIDTHxHEIGHT` (the content "
        "is cropped to that shape), or `original` for the content's own size.",
    )
    iterations: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="Iterations of the minimizer, at full size, for one render."
    )
    snapshots: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        default=None,
        description="Pictures written while a render runs, evenly spaced; the last is the result.",
    )
    content_weight: Weight | None = Field(
        default=None, description="How strongly the result keeps the content."
    )
    style_weight: Weight | None = Field(
        default=None, description="How strongly the result takes on the style."
    )
    tv_weight: Weight | None = Field(
        default=None, description="How strongly the result is smoothed (total variation)."
    )
    decay: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Ratio of the weights of neighboring layers in novak-nikulin: the smaller, the "
        "more the content is compared in early and the style in late layers.",
    )
    recipe: RecipeName | None = Field(
        default=None,
        description="What is compared: novak-nikulin (all layers, content fading and style rising "
        "with depth) or gatys (content in relu4_2, style in relu1_1 to relu5_1 alike).",
    )
    color: Color | None = Field(
        default=None,
        description="Where the colors come from: style; keep, the content's with the result's "
        "brightness; or match, the style's after they were matched to the content's.",
    )
    style_scale: Annotated[float, Field(ge=0.1, le=4, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Size of the strokes: 1 gives the style as many pixels as the result, 2 twice "
        "as many a side, so that its strokes come out twice as large.",
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = Field(
        default=None, description="Seed of the noise that `init: random` starts from."
    )
    engine: Engine | None = Field(
        default=None, description="The framework that computes: torch or cntk."
    )
    network: Network | None = Field(
        default=None, description="The network whose features are compared: vgg16 or vgg19."
    )
    output: Output | None = Field(default=None, description="How the pictures are written.")
    minimizer: Minimizer | None = Field(
        default=None,
        description="lbfgs (on the device), lbfgsb (SciPy's, as in the tutorial) or adam.",
    )
    precision: Precision | None = Field(
        default=None,
        description="Arithmetic of the convolutions: fp32, bf16, tf32 (on GPUs; elsewhere that is "
        "fp32), or auto for the fastest that the device does well; cntk has fp32 alone.",
    )
    scales: Annotated[int, Field(ge=1, le=8)] | Literal["auto"] | None = Field(
        default=None,
        description="Levels of the coarse-to-fine pyramid, 1 for none; auto goes by the size.",
    )
    crop: Crop | None = Field(
        default=None,
        description="square cuts the centered square out of the content, none keeps its shape; "
        "for comparisons with the tutorial.",
    )
    channel_order: ChannelOrder | None = Field(
        default=None,
        description="bgr gives the network the channels in its own order, as-is in the file's; "
        "for comparisons with the tutorial.",
    )
    rounding: Rounding | None = Field(
        default=None,
        description="How values become whole numbers when a picture is written: round or "
        "truncate; for comparisons with the tutorial.",
    )


class PresetFile(Choices):
    """A preset: a named set of job defaults."""

    init: Start | None = Field(
        default=None, description="The picture a render starts from: content, random or style."
    )


class JobFile(Choices):
    """A job file: `content` and `style`, and whatever else is to differ from the preset."""

    content: Path | PathList = Field(
        description="The photograph to restyle: a path relative to the job file or to the inbox, a "
        "pattern such as `photos/*.jpg`, or a list of these. There is one render for each pair "
        "of content and style.",
    )
    style: Path | Blend | StyleList = Field(
        description="The painting whose style is taken: a path or a pattern as for `content`, "
        "`{path: weight, path: weight}` to blend several in one render, or a list of these.",
    )
    preset: (
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", title="a preset's name")]
        | None
    ) = Field(
        default=None,
        description="The named set of defaults to start from: `default` where nothing is said; "
        "also `draft`, `print`, `tutorial`, and those that the daemon's owner has added.",
    )
    name: Annotated[str, AfterValidator(_name), Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="The job's name, and so its folder's in the outbox; the job file's name "
        "where nothing is said.",
    )
    priority: Annotated[int, Field(ge=-100, le=100)] | None = Field(
        default=None,
        description="Jobs of higher priority are rendered first, -100 to 100; 0 where nothing is "
        "said.",
    )
    not_before: Moment | None = Field(
        default=None,
        description="When work may begin: `22:00` (the next time that the clock shows it), "
        "`2026-11-27`, `2026-11-27 06:00`, or that with an offset such as `+01:00`.",
    )
    window: (
        Annotated[str, Field(min_length=1, max_length=200, title="a window's name, or hours")]
        | None
    ) = Field(
        default=None,
        description="When it may be worked on: the name of one of the daemon's windows, or hours "
        "such as `22:00-06:00` or `sat sun`, inside the daemon's; all of the daemon's where "
        "nothing is said.",
    )
    deadline: Moment | None = Field(
        default=None,
        description="By when it is wanted, written as `not_before`; a date alone is its end. "
        "Among jobs of one priority, the earliest deadline is rendered first; it is rendered, "
        "too, if it comes too late.",
    )
    init: Start | Path | None = Field(
        default=None,
        description="The picture a render starts from: content, random (noise), style, or the "
        "path of a file.",
    )
    masks: Region | RegionList | None = Field(
        default=None,
        description="Regions with a style of their own, `{content: mask.png, style: mask.png}` or "
        "a list of these, white being inside; the style's mask may be left out. What no region "
        "covers gets no style.",
    )
