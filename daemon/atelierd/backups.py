"""A backup of what cannot be made again: the ledger, the job files, configuration and presets.

Pictures are not in it: results lie in the outbox, and what jobs are made of in the inbox.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import secrets
import tarfile
import tempfile
import zlib
from datetime import datetime
from pathlib import Path

from atelierd import __version__
from atelierd.durable import TEMPORARY_PREFIX, fsync_folder
from atelierd.errors import ConfigError
from atelierd.jobs.frozen import job_file_paths
from atelierd.ledger.backup import copy_ledger, verify_copy
from atelierd.settings import Settings
from atelierd.worldfaults import as_world_fault

LEDGER = "ledger.sqlite"
CONFIG = "atelierd.yaml"
FACTS = "backup.json"
_LONGEST_FACTS = 1 << 20
_NAME = re.compile(r"atelierd-\d{8}-\d{6}\.tar\.gz")


def backup_name(moment: datetime) -> str:
    """Return the name of a backup of that local time; names sort by time."""
    return f"atelierd-{moment:%Y%m%d-%H%M%S}.tar.gz"


def make_backup(settings: Settings, config: Path, target: Path, moment: datetime) -> None:
    """Write a backup to the file `target`, in one step, and prove that it can be read.

    The daemon may run meanwhile. Raises ConfigError if the ledger is damaged or missing,
    WorldFault if a disk fails.
    """
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.name}")
    with as_world_fault(target):
        temporary.unlink(missing_ok=True)
    # What a kill leaves of it is swept like any other temporary file.
    copy = settings.state / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{LEDGER}"
    try:
        version = copy_ledger(settings.state / LEDGER, copy)
        facts = {
            "atelierd": __version__,
            "machine": platform.node(),
            "made": moment.isoformat(timespec="seconds"),
            "ledger_version": version,
            "state": str(settings.state),
            "inbox": str(settings.inbox),
            "outbox": str(settings.outbox),
        }
        with as_world_fault(target):
            _write(temporary, facts, copy, config, settings)
        with as_world_fault(target):
            check_backup(temporary)
            temporary.replace(target)
            fsync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)


def check_backup(path: Path) -> int:
    """Read all of a backup, prove that its ledger is whole, and return the ledger's version.

    Raises ConfigError if it is not, OSError.
    """
    with tempfile.TemporaryDirectory(prefix="atelierd-backup-") as folder:
        try:
            with tarfile.open(path, "r:gz") as archive:
                for member in archive:
                    file = archive.extractfile(member)
                    data = b"" if file is None else file.read()
                    if member.name == LEDGER:
                        (Path(folder) / LEDGER).write_bytes(data)
        except (tarfile.TarError, EOFError) as error:
            raise ConfigError(f"{path}: this backup is damaged: {error}") from error
        if not (Path(folder) / LEDGER).exists():
            raise ConfigError(f"{path}: there is no ledger in it; this is no backup of atelierd's")
        return verify_copy(Path(folder) / LEDGER)


def forget_old(folder: Path, keep: int, newest: Path | None = None) -> list[Path]:
    """Remove all backups in `folder` but the `keep` newest, known by their names; return them.

    `newest` was made just now, whatever its name: an hour of the clock may come twice. Raises
    OSError.
    """
    found = sorted(
        (path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_file()),
        key=lambda path: (path == newest, path.name),
    )
    # Others may put theirs into the same folder.
    whose = _whose(found[-1]) if found else None
    found = [path for path in found if _whose(path) == whose]
    old = found[:-keep] if keep else []
    for path in old:
        path.unlink()
    return old


def _whose(path: Path) -> tuple[object, object] | None:
    """Return the machine and the state folder that a backup is of; None if it does not say."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
            file = archive.extractfile(first) if first is not None and first.name == FACTS else None
            facts = json.loads(b"" if file is None else file.read(_LONGEST_FACTS))
        return facts["machine"], facts["state"]
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError, KeyError, TypeError):
        return None


def _write(
    temporary: Path, facts: dict[str, object], copy: Path, config: Path, settings: Settings
) -> None:
    # A configuration may say where secrets are.
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            text = (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()
            about = tarfile.TarInfo(FACTS)
            about.size = len(text)
            archive.addfile(about, io.BytesIO(text))
            archive.add(copy, LEDGER)
            archive.add(config.resolve(), CONFIG)
            if settings.presets is not None and settings.presets.is_dir():
                for preset in sorted(settings.presets.glob("*.yaml")):
                    archive.add(preset.resolve(), f"presets/{preset.name}")
            for job_file in sorted(job_file_paths(settings.state)):
                # `shown`: the job's folder is not made anew, for its owner may have taken it away.
                for one in (job_file, job_file.with_name("shown")):
                    _add_if_there(archive, one, f"jobs/{job_file.parent.name}/{one.name}")
        file.flush()
        os.fsync(file.fileno())


def _add_if_there(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a file that a running daemon may remove at any moment."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(data), 0o644
    archive.addfile(about, io.BytesIO(data))
