"""`atelierd init`: a share's two folders, and the configuration that names them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from atelierd.cli.configuration import FILE_NAME, default_state
from atelierd.cli.terminal import say, stdout
from atelierd.errors import ConfigError


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The share, or a folder on it; made if need be.")
    ],
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration to write.")
    ] = Path(FILE_NAME),
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The daemon's own folder, on a disk of this machine; left out, "
            "/var/lib/atelierd for root, else ~/.local/state/atelierd.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make DIR/inbox and DIR/outbox, and a configuration that names them.

    What is there already stays as it is, so running it again does no harm.
    """
    from atelierd.ledger.place import refuse_network
    from atelierd.share import Role, init_share

    root = folder.expanduser().absolute()
    folders = {role.value: root / role for role in Role}
    folders["state"] = (state or default_state()).expanduser().absolute()
    existed = config.exists()
    if existed:
        _refuse_other(config, folders["inbox"], folders["outbox"])
    else:
        refuse_network(folders["state"])
        if state is None:
            _refuse_used(folders["state"])
    init_share(root)
    if not existed:
        _write(config, folders)
    _tell(config, folders["inbox"], existed=existed)


def _refuse_other(config: Path, inbox: Path, outbox: Path) -> None:
    """Raise ConfigError if the configuration that is there is another share's."""
    from atelierd.settings import read_settings

    settings = read_settings(config)
    for key, named, wanted in (
        ("inbox", settings.inbox, inbox),
        ("outbox", settings.outbox, outbox),
    ):
        if named.resolve() != wanted.resolve():
            raise ConfigError(
                f"{config} is there already and names the {key} {named}, not {wanted}; nothing "
                "was changed. Give another place for the new configuration with --config"
            )


def _refuse_used(state: Path) -> None:
    """Raise ConfigError if the state folder that nobody has named holds another queue already."""
    if (state / "ledger.sqlite").exists():
        raise ConfigError(
            f"the state folder {state} has the ledger of a daemon already, and two daemons with "
            "one ledger would put one's pictures into the other's outbox; nothing was changed. "
            f"Name a folder of its own with --state DIR, or with --state {state} that one, if it "
            "is this share's"
        )


def _write(config: Path, folders: dict[str, Path]) -> None:
    """Write the commented default configuration with these folders in it, and prove it."""
    from atelierd import durable
    from atelierd.jobs.presets import shipped_config
    from atelierd.settings import read_settings

    text = (shipped_config() / FILE_NAME).read_text(encoding="utf-8")
    for key, path in folders.items():
        # JSON's quoted string is YAML's, too, whatever characters the path has.
        line = f"{key}: {json.dumps(str(path), ensure_ascii=False)}"
        before, after = re.split(rf"^{key}: .*$", text, maxsplit=1, flags=re.MULTILINE)
        text = f"{before}{line}{after}"
    config.parent.mkdir(parents=True, exist_ok=True)
    durable.write_text(config, text)
    try:
        read_settings(config)
    except ConfigError:
        config.unlink()
        raise


def _tell(config: Path, inbox: Path, *, existed: bool) -> None:
    console = stdout()
    option = "" if config == Path(FILE_NAME) else f" --config {config}"
    say(console, f"share          {inbox} and {inbox.parent / 'outbox'}")
    say(console, f"configuration  {config.absolute()}{' (as it was)' if existed else ''}")
    say(console, "")
    say(console, f"Next: atelierd run{option}")
    say(console, f"Then drop two pictures into {inbox}, and beside them a text file job.yaml:")
    say(console, "    content: photo.jpg\n    style: painting.jpg")
