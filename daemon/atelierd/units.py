"""The systemd units as they are to lie on one machine: which files, and what stands in them.

The units themselves are the same everywhere. What differs from machine to machine stands in a
drop-in beside them: where the program, the configuration, the share and the state folder are, and
how much of the network the configuration asks for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from ipaddress import ip_address
from pathlib import Path

from atelierd.errors import ConfigError
from atelierd.ledger.place import find_mount, fstab_points
from atelierd.settings import Settings

UNITS = Path("/etc/systemd/system")
SYSUSERS = Path("/etc/sysusers.d/atelierd.conf")
TMPFILES = Path("/etc/tmpfiles.d/atelierd.conf")

DAEMON, DRAIN, TIMER = "atelierd.service", "atelierd-drain.service", "atelierd-drain.timer"
WORKER = "atelierd-worker.service"
MACHINE, HTTP, NETWORK, CLUSTER = "10-machine.conf", "http.conf", "network.conf", "cluster.conf"

#: What `systemctl enable` would make, for each way to run.
_WANTED_BY = {
    DAEMON: "multi-user.target.wants",
    TIMER: "timers.target.wants",
    WORKER: "multi-user.target.wants",
}
#: The user's folders, of which the service sees only what it is given.
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
#: Mount points that stay mounted as long as the system runs.
_SYSTEM = tuple(map(Path, ("/", "/home", "/root", "/srv", "/var", "/var/lib", "/usr", "/opt")))
#: Folders of which the service has some of its own.
_PRIVATE = (Path("/tmp"), Path("/var/tmp"))


_MADE = (
    "# Made by `atelierd systemd install` for this machine, and made again by the next one;",
    "# changes of your own belong into a file of their own: systemctl edit.",
)


@dataclass(frozen=True)
class Machine:
    """What the units have to know of a machine."""

    program: tuple[Path, ...]
    """How atelierd is called: its script, or an interpreter and what it is to run."""
    arguments: tuple[str, ...]
    """What comes after that, before the command."""
    prefixes: tuple[Path, ...]
    """The folders that Python is installed in."""
    config: Path
    """The configuration's file."""
    mountinfo: str
    """The text of /proc/self/mountinfo."""
    fstab: str = ""
    """The text of /etc/fstab, for shares that are not mounted just now."""


@dataclass(frozen=True)
class UnitFile:
    """A file that is to be written, or with `target` a symbolic link."""

    path: Path
    text: str = ""
    target: Path | None = None


def shipped_units() -> Path:
    """Return the folder of the units that came with atelierd, in the wheel or in the repository."""
    package = Path(str(resources.files("atelierd")))
    installed = package / "config" / "systemd"
    return installed if installed.is_dir() else package.parents[1] / "systemd"


def unit_files(
    settings: Settings, machine: Machine, *, nights: bool = False, network: bool = False
) -> list[UnitFile]:
    """Return everything that is to be written for this configuration.

    With `nights` the timer is enabled instead of the daemon; `network` opens the network even where
    the configuration does not ask for it. Raises ConfigError if something lies where no service can
    reach it.
    """
    _refuse_hidden(settings, machine)
    files = [UnitFile(UNITS / name, _shipped(name)) for name in (DAEMON, DRAIN, TIMER)]
    opened = _opened(settings, network=network)
    for unit, command in ((DAEMON, "run"), (DRAIN, "run --drain")):
        folder = UNITS / f"{unit}.d"
        files.append(UnitFile(folder / MACHINE, _machine(settings, machine, command)))
        files += [UnitFile(folder / name, _shipped(name)) for name in opened]
    files.append(UnitFile(SYSUSERS, _shipped("atelierd.sysusers.conf")))
    files.append(UnitFile(TMPFILES, _shipped("atelierd.tmpfiles.conf") + _own_folders(settings)))
    enabled = TIMER if nights else DAEMON
    files.append(UnitFile(_link(enabled), target=UNITS / enabled))
    return files


def worker_files(scheduler: str, certificates: Path, machine: Machine) -> list[UnitFile]:
    """Return everything that is to be written for a worker of the cluster of `scheduler`.

    Raises ConfigError if something lies where no service can reach it.
    """
    _refuse(certificates, *machine.prefixes, *machine.program, folders=_PRIVATE)
    _refuse(certificates, folders=_HOMES)
    command = f"worker --scheduler {word(scheduler, command=True)}"
    lines = [
        *_MADE,
        "[Service]",
        "ExecStart=",
        # Not in the state folder of a daemon that may be here, too: it may lie anywhere.
        f"ExecStart={_called(machine)} {command} --certificates {word(certificates, command=True)} "
        "--folder /var/lib/atelierd/workers/%H $ATELIERD_WORKER_OPTIONS",
        *_from_homes((), machine),
    ]
    return [
        UnitFile(UNITS / WORKER, _shipped(WORKER)),
        UnitFile(UNITS / f"{WORKER}.d" / MACHINE, "\n".join(lines) + "\n"),
        UnitFile(SYSUSERS, _shipped("atelierd.sysusers.conf")),
        UnitFile(TMPFILES, _shipped("atelierd.tmpfiles.conf")),
        UnitFile(_link(WORKER), target=UNITS / WORKER),
    ]


def known_paths(*units: str) -> list[Path]:
    """Return every path that an installation of `units` may have written, links first.

    Left out, they are all units, and the user's and the folders' files come with them.
    """
    chosen = units or (DAEMON, DRAIN, TIMER, WORKER)
    paths = [_link(unit) for unit in chosen if unit in _WANTED_BY]
    for unit in chosen:
        paths += [UNITS / f"{unit}.d" / name for name in (MACHINE, HTTP, NETWORK, CLUSTER)]
    paths += [UNITS / unit for unit in chosen]
    return paths if units else [*paths, SYSUSERS, TMPFILES]


def word(path: Path | str, *, dash: bool = False, command: bool = False) -> str:
    """Return a path as one word of a unit file; `dash` lets it be missing.

    `command` is for lines in which a $ begins a variable's name.
    """
    text = str(path).replace("%", "%%")
    if command:
        text = text.replace("$", "$$")
    text = f"{'-' if dash else ''}{text}"
    if re.fullmatch(r"[\w/.:@+=,%$-]+", text, re.ASCII):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def mount_unit(point: str) -> str:
    """Return the name of the unit of a mount point, as systemd.unit(5) says."""
    parts = "/".join(part for part in point.split("/") if part)
    if not parts:
        return "-.mount"
    encoded = "".join(
        "-" if character == "/" else character if _is_plain(character, index) else _hex(character)
        for index, character in enumerate(parts)
    )
    return f"{encoded}.mount"


def _is_plain(character: str, index: int) -> bool:
    if character == "." and index == 0:
        return False
    return character.isascii() and (character.isalnum() or character in ":_.")


def _hex(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _shipped(name: str) -> str:
    return (shipped_units() / name).read_text(encoding="utf-8")


def _link(unit: str) -> Path:
    return UNITS / _WANTED_BY[unit] / unit


def _opened(settings: Settings, *, network: bool) -> list[str]:
    """Return the drop-ins that the configuration asks for."""
    notify = settings.notify
    address = settings.http.address
    asks = network or bool(notify.webhooks) or notify.email is not None
    asks = asks or any("://" in source for source in settings.weights.sources.values())
    opened = []
    if address is not None:
        opened.append(HTTP)
        asks = asks or not _is_loopback(address.host)
    if asks:
        opened.append(NETWORK)
    if settings.executor != "local":
        opened.append(CLUSTER)
    return opened


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refuse_hidden(settings: Settings, machine: Machine) -> None:
    notify = settings.notify
    places = [hook.secret for hook in notify.webhooks]
    places.append(notify.email.password if notify.email is not None else None)
    secrets = [place.file for place in places if place is not None and place.file is not None]
    read = [machine.config, *secrets, *([settings.presets] if settings.presets else [])]
    read += [settings.cluster.certificates] if settings.cluster.certificates else []
    read += [Path(one) for one in settings.weights.sources.values() if "://" not in one]
    written = [settings.inbox, settings.outbox, settings.state, settings.weights_folder]
    _refuse(*read, folders=_HOMES)
    _refuse(*read, *written, *machine.prefixes, *machine.program, folders=_PRIVATE)


def _refuse(*paths: Path, folders: Sequence[Path]) -> None:
    """Raise ConfigError if one of the paths lies in folders that a service has of its own."""
    for path in paths:
        if _below(path, folders):
            what = "sees no home folders" if folders is _HOMES else "has a /tmp of its own"
            raise ConfigError(f"{path}: a service {what}; move it, to /etc/atelierd for example")


def _below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _machine(settings: Settings, machine: Machine, command: str) -> str:
    config = word(machine.config, command=True)
    lines = [
        *_MADE,
        "[Unit]",
        *_waits(settings, machine),
        "",
        "[Service]",
        "ExecStart=",
        f"ExecStart={_called(machine)} {command} --config {config}",
        *_folders(settings, machine),
    ]
    return "\n".join(lines) + "\n"


def _called(machine: Machine) -> str:
    """Return how atelierd is called in a unit."""
    return " ".join([*(word(part, command=True) for part in machine.program), *machine.arguments])


def _waits(settings: Settings, machine: Machine) -> Iterator[str]:
    local = _unique([settings.state, settings.weights_folder])
    yield "# On an empty mount point there would be a new ledger, an empty one."
    yield f"RequiresMountsFor={' '.join(word(path) for path in local)}"
    shares = _unique(_share_points(settings, machine))
    if shares:
        units = " ".join(mount_unit(str(point)) for point in shares)
        yield "# The share may be away, and come back: the daemon waits for it."
        yield f"Wants={units}"
        yield f"After={units}"


def _share_points(settings: Settings, machine: Machine) -> Iterator[Path]:
    """Give the mount points that inbox and outbox lie below, but for the system's own."""
    for folder in (settings.inbox, settings.outbox):
        mount = find_mount(os.path.realpath(folder), machine.mountinfo)
        points = [] if mount is None else [Path(mount.point)]
        points += [point for point in fstab_points(machine.fstab) if folder.is_relative_to(point)]
        point = max(points, key=lambda point: len(point.parts), default=Path("/"))
        if point not in _SYSTEM and folder.is_relative_to(point):
            yield point


def _folders(settings: Settings, machine: Machine) -> Iterator[str]:
    points = _unique(_share_points(settings, machine))
    # What is writable becomes a mount of the service's own, unless it is one already. On a folder
    # within a share, that would keep the share mounted for the service when others unmount it.
    share = [
        next((point for point in points if folder.is_relative_to(point)), folder)
        for folder in (settings.inbox, settings.outbox)
    ]
    name = _state_name(settings.state)
    own = [] if name is not None else [settings.state]
    written = _unique([*share, *own, settings.weights_folder])
    if name != "atelierd":
        yield f"StateDirectory={word(name) if name is not None else ''}"
    if name is not None:
        written = [path for path in written if not path.is_relative_to(settings.state)]
    yield "ReadWritePaths="
    yield f"ReadWritePaths={' '.join(word(path, dash=True) for path in written)}"
    yield from _from_homes(written, machine)


def _from_homes(written: Sequence[Path], machine: Machine) -> Iterator[str]:
    at_home = [path for path in written if _below(path, _HOMES)]
    python = _unique(path for path in machine.prefixes if _below(path, _HOMES))
    if at_home or python:
        yield "# Of the home folders nothing but what is needed."
        yield "ProtectHome=tmpfs"
        yield from (f"BindPaths={_bound(path)}" for path in at_home)
        yield from (f"BindReadOnlyPaths={_bound(path)}" for path in python)


def _bound(path: Path) -> str:
    # In these lines a colon stands between what is bound and where.
    return word(str(path).replace(":", "\\:"), dash=True)


def _state_name(state: Path) -> str | None:
    """Return the state folder as StateDirectory= has it; None if it is not in /var/lib."""
    home = Path("/var/lib")
    return str(state.relative_to(home)) if state.is_relative_to(home) and state != home else None


def _own_folders(settings: Settings) -> str:
    made = {Path("/var/lib/atelierd")}
    lines = []
    for path in _unique([settings.state, settings.weights_folder]):
        if path not in made and not _below(path, made):
            # Weights may be others' too: only a folder that is made here (":") gets an owner.
            new = "" if path == settings.state else ":"
            lines.append(f"d {word(path)} {new}0750 {new}atelierd {new}atelierd\n")
            made.add(path)
    return "".join(lines)


def _unique(paths: Iterable[Path]) -> Sequence[Path]:
    """Return the paths without those that lie in another one."""
    every = list(dict.fromkeys(paths))
    return [
        path
        for path in every
        if not any(path != other and path.is_relative_to(other) for other in every)
    ]
