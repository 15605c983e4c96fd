"""The daemon's configuration file: one model, checked as a whole, with errors in words.

Durations are written as people write them (`5 s`, `10 min`, `2 h`, or bare seconds), sizes in
memory as `500 MB` or bare bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from atelierd.address import Address, parse_address
from atelierd.clustersettings import DASK, EXECUTOR, ClusterSettings
from atelierd.configvalues import ByteCount, TimeOfDay
from atelierd.configvalues import Section as _Section
from atelierd.configvalues import lasting as _lasting
from atelierd.errors import ConfigError
from atelierd.notifysettings import NotifySettings
from atelierd.schedulesettings import ScheduleSettings
from atelierd.weights.network import Network
from atelierd.yamldoc import YamlError, parse, validate

Device = Annotated[
    str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$", title="auto, cpu, cuda or cuda:N")
]
Devices = Annotated[
    tuple[Device, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
    WithJsonSchema({"type": "string", "title": "auto, cpu, cuda or cuda:N, or a list of them"}),
]


class ShareSettings(_Section):
    """How the watched folder is read."""

    settle: Annotated[timedelta, _lasting("0 s", "1 h")] = timedelta(seconds=2)
    """How long a file has to look the same before it counts as whole."""
    scan_interval: Annotated[timedelta, _lasting("100 ms", "1 h")] = timedelta(seconds=5)
    """Time between two scans where no file event asks for one earlier."""
    missing_timeout: Annotated[timedelta, _lasting("0 s", "365 d")] = timedelta(hours=1)
    """After how long a job fails whose images do not come."""
    free_space: ByteCount = 200 * 2**20
    """Bytes that stay free on the disks of outbox and state folder."""


class WorkSettings(_Section):
    """How renders are worked on."""

    device: Devices = ("auto",)
    """`auto` (every GPU, else the CPU), `cpu`, `cuda`, `cuda:N`, or a list: a process for each."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Threads of the engine on a CPU; left out, one for each core."""
    compile: Literal["auto", "off"] = "auto"
    """`auto` records evaluations as CUDA graphs on a GPU; `off` launches them kernel by kernel."""
    segment: Annotated[timedelta, _lasting("100 ms", "1 min")] = timedelta(seconds=2)
    """About how long a worker runs before it reports; between segments a render can be stopped."""
    attempts: int = Field(default=3, ge=1, le=100)
    """Attempts without progress after which a render fails."""
    hang_after: Annotated[timedelta, _lasting("1 s", "7 d")] = timedelta(minutes=15)
    """After how long without a report a worker is replaced; more for slow or huge renders."""
    keep_inputs: Annotated[timedelta, _lasting("0 s", "3650 d")] = timedelta(days=14)
    """How long the frozen inputs of a finished job are kept for a retry."""


class RetentionSettings(_Section):
    """What the daemon takes away again, of what it has written itself."""

    keep_days: int | None = Field(default=None, ge=1, le=36500)
    """Days after which a finished job's folder leaves the outbox; left out, it never does."""
    keep_free: ByteCount = 0
    """Free bytes on the disks of outbox and state below which the oldest go sooner; 0: never."""
    keep_at_least: Annotated[timedelta, _lasting("1 h", "3650 d")] = timedelta(days=1)
    """How long a finished job stays in any case."""


def _address(value: Any) -> Address:
    return value if isinstance(value, Address) else parse_address(str(value))


class HttpSettings(_Section):
    """The outbox in a browser, over HTTP."""

    address: (
        Annotated[
            Address,
            BeforeValidator(_address),
            WithJsonSchema({"type": "string", "title": "an address such as 127.0.0.1:8765"}),
        ]
        | None
    ) = None
    """Where the daemon serves it for reading; left out, it serves nothing."""


class WeightSettings(_Section):
    """Where the networks' weights come from."""

    folder: Path | None = None
    """Where they are kept; left out, `weights` in the state folder."""
    sources: dict[Network, str] = Field(default_factory=dict)
    """A file or URL of your own per network, asked before the public sources."""


class Settings(_Section):
    """Everything that the configuration file says."""

    inbox: Path
    """The watched folder."""
    outbox: Path
    """Where results go."""
    state: Path
    """The daemon's own folder, on a local disk."""
    presets: Path | None = None
    """A folder of your own preset files, which go over those that came with atelierd."""
    share: ShareSettings = Field(default_factory=ShareSettings)
    """How the inbox is read."""
    work: WorkSettings = Field(default_factory=WorkSettings)
    """How renders are worked on."""
    executor: str = Field(default="local", pattern=EXECUTOR, title="local or dask://HOST:PORT")
    """Where renders are worked on: on this machine, or by the workers of a dask scheduler."""
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)
    """Who may work with this daemon, where `executor` names a scheduler."""
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    """When renders are worked on."""
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    """What is taken away again."""
    weights: WeightSettings = Field(default_factory=WeightSettings)
    """Where the networks' weights come from."""
    notify: NotifySettings = Field(default_factory=NotifySettings)
    """Who is told of what happens."""
    morning_report: TimeOfDay = time(7)
    """When the report of the last day and night is written; local time."""
    http: HttpSettings = Field(default_factory=HttpSettings)
    """Where the outbox is shown over HTTP."""
    max_renders: int = Field(default=1000, ge=1, le=100_000)
    """Renders that one job may come to."""
    max_pixels: int = Field(default=100_000_000, ge=1_000_000, le=10**10)
    """Pixels that an image may have; checked before it is decoded."""
    log: Literal["auto", "text", "json", "journald"] = "auto"
    """Lines for people, one JSON object a line, or fields; `auto`: fields under systemd."""

    @model_validator(mode="after")
    def _folders_apart(self) -> Settings:
        folders = {"inbox": self.inbox, "outbox": self.outbox, "state": self.state}
        for name, folder in folders.items():
            if not folder.is_absolute():
                raise ValueError(f"{name}: found {str(folder)!r}, expected an absolute path")
        # Symbolic links resolved: results that lie in the inbox would be taken for new jobs.
        real = {name: Path(os.path.realpath(folder)) for name, folder in folders.items()}
        for name, folder in real.items():
            for other, place in real.items():
                if name != other and folder.is_relative_to(place):
                    raise ValueError(f"{name} lies inside {other}; give each a folder of its own")
        return self

    @model_validator(mode="after")
    def _cluster_is_safe(self) -> Settings:
        cluster = self.cluster
        if self.executor.startswith(DASK) and cluster.certificates is None and not cluster.insecure:
            raise ValueError(
                f"executor: {self.executor} needs `certificates` under `cluster`, the folder that "
                "`atelierd cluster init` made for this machine; or, where nobody else can reach "
                "the scheduler, `insecure: true`"
            )
        return self

    @property
    def weights_folder(self) -> Path:
        """Where weights are kept."""
        return self.weights.folder or self.state / "weights"


def read_settings(path: Path) -> Settings:
    """Read a configuration file; relative folders in it are relative to it.

    Raises ConfigError, with line and key of every problem.
    """
    try:
        document = parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except YamlError as error:
        raise ConfigError(str(error)) from error
    if isinstance(document.value, dict):
        _make_paths_absolute(document.value, path.resolve().parent)
    try:
        return validate(document, Settings)
    except YamlError as error:
        raise ConfigError(str(error)) from error


def _make_paths_absolute(value: dict[str, Any], base: Path) -> None:
    _make_absolute(value, ("inbox", "outbox", "state", "presets"), base)
    if isinstance(cluster := value.get("cluster"), dict):
        _make_absolute(cluster, ("certificates",), base)
    if isinstance(weights := value.get("weights"), dict):
        _make_absolute(weights, ("folder",), base)
        if isinstance(sources := weights.get("sources"), dict):
            files = [key for key, value in sources.items() if "://" not in str(value)]
            _make_absolute(sources, files, base)
    for holder in _holders_of_secrets(value.get("notify")):
        for place in ("secret", "password"):
            if isinstance(holder.get(place), dict):
                _make_absolute(holder[place], ("file",), base)


def _make_absolute(section: dict[str, Any], keys: Iterable[str], base: Path) -> None:
    for key in keys:
        if isinstance(section.get(key), str):
            try:
                section[key] = str(base / Path(section[key]).expanduser())
            except RuntimeError as error:
                raise ConfigError(
                    f"{key}: found '{section[key]}'; there is no such user"
                ) from error


def _holders_of_secrets(notify: Any) -> list[dict[str, Any]]:
    if not isinstance(notify, dict):
        return []
    webhooks = notify.get("webhooks")
    holders = [*(webhooks if isinstance(webhooks, list) else []), notify.get("email")]
    return [one for one in holders if isinstance(one, dict)]
