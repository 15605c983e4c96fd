"""`atelierd backup`: a copy of the ledger, with job files, configuration and presets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from atelierd.cli.configuration import ConfigOption, find_config, read_config
from atelierd.cli.terminal import say, stdout
from atelierd.errors import ConfigError

#: How the names of backups end.
_ENDINGS = (".tar.gz", ".tgz")


def backup(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|DIR", help="The file to write, or a folder that gets a dated one."
        ),
    ],
    keep: Annotated[
        int,
        typer.Option(
            min=0, help="Backups that stay in DIR, the newest; 0 for all. FILE is not asked."
        ),
    ] = 14,
    config: ConfigOption = None,
) -> None:
    """Back up ledger, job files, configuration and presets into one file; the daemon may run.

    The copy is proven to be whole before it gets its name. docs/operations.md says how to restore.
    """
    from atelierd.backups import backup_name, forget_old, make_backup

    place = find_config(config)
    settings = read_config(place)
    assert place is not None
    now = datetime.now().astimezone()
    into_folder = target.is_dir()
    if not into_folder:
        _refuse_no_file(target)
    file = target / backup_name(now) if into_folder else target
    make_backup(settings, place, file, now)
    say(stdout(), str(file))
    for old in forget_old(target, keep, file) if into_folder else ():
        say(stdout(), f"removed {old}")


def _refuse_no_file(target: Path) -> None:
    """Raise ConfigError where a folder was meant that is not there, its disk unmounted perhaps.

    A file of its name would be all that there is: each night's backup in the place of the last.
    """
    if not target.name.endswith(_ENDINGS):
        raise ConfigError(
            f"{target}: there is no such folder; make it, mount it, or name a file that ends in "
            f"{_ENDINGS[0]}"
        )
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent}: there is no such folder; make it, or mount it")
