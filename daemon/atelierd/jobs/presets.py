"""Presets: named sets of job defaults, one YAML file each, in `presets` folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from atelierd.complaints import nearest
from atelierd.errors import ConfigError
from atelierd.expectations import listed
from atelierd.jobs.placed import PlacedFault
from atelierd.jobs.schema import PresetFile
from atelierd.wording import shown
from atelierd.yamldoc import YamlError, parse, validate


def shipped_config() -> Path:
    """Return the folder `config` that came with atelierd: in the wheel, or in the repository."""
    package = Path(str(resources.files("atelierd")))
    installed = package / "config"
    return installed if installed.is_dir() else package.parents[1] / "config"


def load_preset(name: str, folders: Sequence[Path]) -> dict[str, Any]:
    """Return the keys and values of preset `name`.

    A file in an earlier folder changes only the keys that it has; the others are those of the
    file of the same name in a later one. Raises PlacedFault if there is no such preset, ConfigError
    if its file is wrong.
    """
    values: dict[str, Any] = {}
    found = False
    for folder in reversed(folders):
        path = folder / f"{name}.yaml"
        if name in preset_names([folder]):
            found = True
            values = merged(values, _read(path))
    if not found:
        names = preset_names(folders)
        meant = nearest(name, names)
        hint = f"; did you mean {meant}?" if meant else ""
        words = f"there is no preset '{shown(name)}'; expected {listed(names, 'or')}{hint}"
        raise PlacedFault({("preset",): words})
    return values


def preset_names(folders: Sequence[Path]) -> list[str]:
    """Return the names of all presets in `folders`, sorted."""
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with what `above` says put over it, `output` key by key."""
    output = {**below.get("output", {}), **above.get("output", {})}
    return {**below, **above, **({"output": output} if output else {})}


def _read(path: Path) -> dict[str, Any]:
    try:
        document = parse(path.read_bytes(), str(path))
        return validate(document, PresetFile).model_dump(exclude_none=True)
    except (OSError, YamlError) as error:
        raise ConfigError(str(error)) from error
