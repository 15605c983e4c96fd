"""`atelierd systemd`: the daemon as a service of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atelierd.cli.configuration import FILE_NAME
from atelierd.cli.terminal import say, stdout
from atelierd.errors import ConfigError, WorldFault

if TYPE_CHECKING:
    from atelierd.settings import Settings
    from atelierd.units import Machine

app = typer.Typer(help="The daemon as a service of this machine.", no_args_is_help=True)

RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="The root folder of another system, such as an image; paths are those in there.",
        show_default=False,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")
]


@app.callback()
def _group() -> None:
    pass


@app.command()
def install(
    config: Annotated[
        Path,
        typer.Option("--config", "-c", metavar="FILE", help="The configuration to run with."),
    ] = Path("/etc/atelierd") / FILE_NAME,
    nights: Annotated[
        bool,
        typer.Option("--nights", help="Drain the inbox every night, instead of running always."),
    ] = False,
    network: Annotated[
        bool,
        typer.Option(
            "--network",
            help="Let the service reach others even where the configuration does not ask for it: "
            "to fetch weights when a job first needs them.",
        ),
    ] = False,
    worker: Annotated[
        str | None,
        typer.Option(
            metavar="tls://HOST:PORT",
            help="Have this machine work for a daemon on another one: a worker of this scheduler, "
            "without share and configuration.",
            show_default=False,
        ),
    ] = None,
    certificates: Annotated[
        Path,
        typer.Option(metavar="DIR", help="With --worker: the folder with its certificate."),
    ] = Path("/etc/atelierd/certificates"),
    root: RootOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Write units for this atelierd and this configuration, make its user, and enable it.

    Running it again, after the configuration has changed, brings the units up to date.
    """
    from atelierd.units import DAEMON, DRAIN, TIMER, WORKER, known_paths, unit_files, worker_files

    machine = _this_machine(config.absolute(), root)
    if worker is not None:
        files = worker_files(worker, certificates.absolute(), machine)
    else:
        settings = _settings(config.absolute(), root)
        files = unit_files(settings, machine, nights=nights, network=network)
    console = stdout()
    if dry_run:
        for file in files:
            typer.echo(f"# {_in(root, file.path)}{f' -> {file.target}' if file.target else ''}")
            typer.echo(file.text)
        return
    with _as_root():
        # One machine may have both.
        of_kind = known_paths(*((DAEMON, DRAIN, TIMER) if worker is None else (WORKER,)))
        _remove(root, set(of_kind) - {file.path for file in files})
        for file in files:
            path = _in(root, file.path)
            _write(path, file.text, file.target)
            say(console, str(path))
    _settle(root)
    unit = "atelierd-drain.timer" if nights else "atelierd"
    unit = "atelierd-worker" if worker is not None else unit
    if root is None:
        say(console, f"Next: systemctl restart {unit}; then systemctl status {unit}")


@app.command()
def uninstall(root: RootOption = None, dry_run: DryRunOption = False) -> None:
    """Stop the service and remove its units.

    Its user, its state folder, the configuration and the share stay as they are.
    """
    from atelierd.units import DAEMON, DRAIN, TIMER, WORKER, known_paths

    if dry_run:
        for path in known_paths():
            if os.path.lexists(_in(root, path)):
                typer.echo(_in(root, path))
        return
    if root is None:
        _stop(TIMER, DRAIN, DAEMON, WORKER)
    with _as_root():
        for path in _remove(root, known_paths()):
            say(stdout(), f"removed {path}")
    if root is None:
        _manage("daemon-reload")


def _settings(config: Path, root: Path | None) -> Settings:
    from pydantic import BaseModel

    from atelierd.settings import read_settings

    settings = read_settings(_in(root, config))
    real = Path("/") if root is None else root.resolve()

    def inside(value: Any) -> Any:
        """Return settings with every path in them as the other system has it."""
        if isinstance(value, Path):
            # Units know no `..`; a path relative to the file has the other system's root in front.
            plain = Path(os.path.normpath(value))
            return Path("/") / plain.relative_to(real) if plain.is_relative_to(real) else plain
        if isinstance(value, BaseModel):
            names = type(value).model_fields
            return value.model_copy(update={name: inside(getattr(value, name)) for name in names})
        return tuple(map(inside, value)) if isinstance(value, tuple) else value

    weights = settings.weights
    sources = {
        network: source if "://" in source else str(inside(Path(source)))
        for network, source in weights.sources.items()
    }
    weights = weights.model_copy(update={"sources": sources})
    changed: Settings = inside(settings.model_copy(update={"weights": weights}))
    return changed


def _this_machine(config: Path, root: Path | None) -> Machine:
    from atelierd.units import Machine

    script = Path(sys.prefix) / "bin" / "atelierd"
    is_there = script.is_file()
    return Machine(
        program=(script,) if is_there else (Path(sys.executable),),
        arguments=() if is_there else ("-m", "atelierd"),
        prefixes=tuple(dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix)))),
        config=config,
        # Of another system nothing is mounted here.
        mountinfo="" if root is not None else _text(Path("/proc/self/mountinfo")),
        fstab=_text(_in(root, Path("/etc/fstab"))),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return ""


def _in(root: Path | None, path: Path) -> Path:
    return path if root is None else root / path.relative_to("/")


@contextlib.contextmanager
def _as_root() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename}: only root may write there; run it with sudo"
        ) from error


def _write(path: Path, text: str, target: Path | None) -> None:
    from atelierd import durable

    path.parent.mkdir(parents=True, exist_ok=True)
    if target is None:
        durable.write_text(path, text)
        path.chmod(0o644)
    elif not path.is_symlink() or path.readlink() != target:
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _remove(root: Path | None, paths: Iterable[Path]) -> list[Path]:
    """Remove those that are there, and folders of drop-ins that have become empty."""
    removed = []
    for path in (_in(root, one) for one in paths):
        if not os.path.lexists(path):
            continue
        path.unlink()
        removed.append(path)
        if path.parent.suffix == ".d" and path.parent.parent.name == "system":
            with contextlib.suppress(OSError):
                path.parent.rmdir()
    return removed


def _settle(root: Path | None) -> None:
    """Have the user and the folders made, and the manager read the units."""
    from atelierd.units import SYSUSERS, TMPFILES

    there = [] if root is None else [f"--root={root}"]
    _run("systemd-sysusers", *there, SYSUSERS.name)
    _run("systemd-tmpfiles", *there, "--create", TMPFILES.name)
    if root is None:
        _manage("daemon-reload")


def _manage(*arguments: str) -> None:
    """Have systemd do something, where it runs: an image that is being made has none."""
    if Path("/run/systemd/system").is_dir():
        _run("systemctl", *arguments)


def _stop(*units: str) -> None:
    """Stop those of the units that there are."""
    from atelierd.units import UNITS

    there = [unit for unit in units if (UNITS / unit).exists()]
    if there:
        _manage("stop", *there)


def _run(*command: str) -> None:
    """Run one of systemd's commands. Raises WorldFault if it is not there, or fails."""
    if shutil.which(command[0]) is None:
        raise WorldFault(f"{command[0]} is not there; is this a machine with systemd?")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise WorldFault(f"{' '.join(command)}: {said}")
