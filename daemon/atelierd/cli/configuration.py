"""Which configuration a command works with, and what holds where there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atelierd.errors import ConfigError

if TYPE_CHECKING:
    from atelierd.render.resident import EngineOptions
    from atelierd.schedule.timetable import Timetable
    from atelierd.settings import Settings
    from atelierd.weights.store import WeightStore

FILE_NAME = "atelierd.yaml"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; left out, the first that is there of ./atelierd.yaml, "
        "~/.config/atelierd/atelierd.yaml and /etc/atelierd/atelierd.yaml.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Surroundings:
    """What a command that needs no daemon goes by: a configuration's word, or the defaults."""

    settings: Settings | None
    state: Path

    @property
    def preset_folders(self) -> tuple[Path, ...]:
        """Folders of presets; an earlier one goes over a later one."""
        from atelierd.jobs.presets import shipped_config

        own = (self.settings.presets,) if self.settings and self.settings.presets else ()
        return (*own, shipped_config() / "presets")

    @property
    def timetable(self) -> Timetable:
        """When the daemon works."""
        from atelierd.schedule.timetable import Timetable

        return self.settings.schedule.timetable if self.settings else Timetable()

    @property
    def engine_options(self) -> EngineOptions:
        """What making an engine takes."""
        from atelierd.plans import engine_options
        from atelierd.render.resident import EngineOptions

        if self.settings is not None:
            return engine_options(self.settings)
        return EngineOptions(self.state / "weights", cntk_folder=self.state / "cntk")

    @property
    def weight_store(self) -> WeightStore:
        """Where weights are kept."""
        from atelierd.weights.store import WeightStore

        if self.settings is None:
            return WeightStore(self.state / "weights", {})
        return WeightStore(self.settings.weights_folder, self.settings.weights.sources)


def default_state() -> Path:
    """Return the state folder of whoever says nothing else; root's is the system's."""
    if os.geteuid() == 0:
        return Path("/var/lib/atelierd")
    return _xdg("XDG_STATE_HOME", ".local/state") / "atelierd"


def places() -> list[Path]:
    """Return where a configuration is looked for, the first place first."""
    folders = [Path.cwd(), _xdg("XDG_CONFIG_HOME", ".config") / "atelierd", Path("/etc/atelierd")]
    return [folder / FILE_NAME for folder in folders]


def find_config(told: Path | None) -> Path | None:
    """Return the configuration file that was named, else the first that is there, if any."""
    if told is not None:
        return told
    return next((place for place in places() if place.is_file()), None)


def read_config(told: Path | None) -> Settings:
    """Return the settings. Raises ConfigError if there is no configuration, or it is wrong."""
    from atelierd.settings import read_settings

    found = find_config(told)
    if found is None:
        looked = ", ".join(str(place) for place in places())
        raise ConfigError(
            f"there is no configuration; looked for {looked}. Name one with --config, or make "
            "one with `atelierd init`"
        )
    return read_settings(found)


def surroundings(told: Path | None) -> Surroundings:
    """Return what holds here, configuration or not. Raises ConfigError if it is wrong."""
    if find_config(told) is None:
        return Surroundings(None, default_state())
    settings = read_config(told)
    return Surroundings(settings, settings.state)


def _xdg(variable: str, default: str, environment: Mapping[str, str] = os.environ) -> Path:
    # A relative path there is to be ignored, says the XDG base directory specification.
    path = Path(environment.get(variable, ""))
    return path if path.is_absolute() else Path.home() / default
