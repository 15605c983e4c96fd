"""Options that several commands have, and how their values are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atelierd.wording import shown

if TYPE_CHECKING:
    from atelierd.settings import Settings


def _preset_names(incomplete: str) -> list[str]:
    from atelierd.jobs.presets import preset_names, shipped_config

    names = preset_names([shipped_config() / "presets"])
    return [name for name in names if name.startswith(incomplete)]


PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        "-p",
        help="The set of defaults to start from: default, draft, print, tutorial, or your own.",
        show_default=False,
        autocompletion=_preset_names,
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        "-s",
        metavar="N|WxH|original",
        help="Long side in pixels, exact sides, or the content's own size.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other key of a job file, such as content_weight=8 or output.format=jpeg.",
        show_default=False,
    ),
]
HttpOption = Annotated[
    str | None,
    typer.Option(
        "--http",
        metavar="[ADDRESS:]PORT",
        help="Show the outbox there, for reading, with /healthz and /metrics: a port of this "
        "machine alone, or an IP address and a port, such as 127.0.0.1:8765. There is no password.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def with_http(settings: Settings, text: str | None) -> Settings:
    """Return settings that serve at the address `text`, or as they are where it is None.

    Raises typer.BadParameter if it is none.
    """
    from atelierd.address import parse_address
    from atelierd.settings import HttpSettings

    if text is None:
        return settings
    try:
        return settings.model_copy(update={"http": HttpSettings(address=parse_address(text))})
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--http") from error


def scalar(text: str, option: str) -> Any:
    """Return what `text`, the value of `option`, means in a job file.

    Raises typer.BadParameter if it is no YAML.
    """
    # Imported here: only some commands read values.
    from atelierd.yamldoc import YamlError, parse

    try:
        return parse(text.encode(errors="surrogateescape"), option).value
    except YamlError as error:
        raise typer.BadParameter(str(error)) from error


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return `key=value` texts as keys and values; `output.format=jpeg` reaches into a mapping.

    Raises typer.BadParameter if one is nothing of the kind.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        outer, _, inner = key.strip().partition(".")
        if not equals or not outer:
            raise typer.BadParameter(f"found {shown(text)}; expected KEY=VALUE", param_hint="--set")
        found = scalar(value, "--set")
        if inner:
            section = values.setdefault(outer, {})
            if not isinstance(section, dict):
                raise typer.BadParameter(f"{shown(outer)} is given twice", param_hint="--set")
            section[inner] = found
        else:
            values[outer] = found
    return values
