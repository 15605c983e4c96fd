"""What `doctor` finds out about the daemon's own: configuration, share, state folder, ledger."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from atelierd import __version__, durable
from atelierd.cli import words
from atelierd.cli.boxed import within
from atelierd.cli.configuration import Surroundings
from atelierd.cli.findings import Finding, fail, ok, warn
from atelierd.errors import AtelierError, ConfigError, WorldFault
from atelierd.inbox.owner import daemon_of
from atelierd.ledger import Ledger
from atelierd.ledger.place import find_mount, refuse_network
from atelierd.ledger.states import JobState
from atelierd.notify.post import receivers_of
from atelierd.settings import Settings
from atelierd.share import Role, check_free_space, check_share
from atelierd.worldfaults import WORDS

#: Seconds that the share has for its answers.
SHARE_SECONDS = 10.0


def examine_daemon(here: Surroundings, config: Path | None, fault: str | None) -> Iterator[Finding]:
    """Give what is found, one after the other.

    `config` is the configuration's file, if there is one, `fault` what is wrong with it.
    """
    yield ok("atelierd", f"{__version__}, Python {platform.python_version()}")
    settings = here.settings
    if fault is not None:
        yield fail("configuration", fault)
    elif config is None:
        yield warn(
            "configuration",
            "none; `run` needs one, `render` does not",
            "atelierd init DIR makes a share and a configuration",
        )
    if settings is None or config is None:
        yield _state(here.state)
        return
    yield ok("configuration", str(config.absolute()))
    yield _share(Role.INBOX, settings.inbox)
    yield _share(Role.OUTBOX, settings.outbox)
    state = _state(settings.state)
    yield state
    yield from _space(settings)
    if (settings.state / "ledger.sqlite").exists():
        yield _ledger(settings)
    yield from _receivers(settings)


def _share(role: Role, folder: Path) -> Finding:
    try:
        found = within(SHARE_SECONDS, lambda: _look_at_share(role, folder))
    except WorldFault as fault:
        return fail(role, str(fault))
    if found is None:
        return fail(
            role,
            f"{folder}: no answer within {SHARE_SECONDS:.0f} s",
            "see whether its server is up",
        )
    return found


def _look_at_share(role: Role, folder: Path) -> Finding:
    check_share(folder, role)
    probe = folder / f"{durable.TEMPORARY_PREFIX}{secrets.token_hex(6)}-doctor"
    try:
        durable.write_bytes(probe, b"")
        probe.unlink()
    except OSError as error:
        return fail(
            role,
            f"{folder}: nothing can be written there: {error.strerror}",
            WORDS.get(error.errno or 0, "let the daemon's user write there"),
        )
    with contextlib.suppress(OSError):
        mount = find_mount(
            os.path.realpath(folder),
            Path("/proc/self/mountinfo").read_text(errors="surrogateescape"),
        )
        if mount is not None:
            return ok(role, f"{folder}, marked and writable, on {mount.kind} ({mount.source})")
    return ok(role, f"{folder}, marked and writable")


def _state(folder: Path) -> Finding:
    try:
        refuse_network(folder)
    except ConfigError as error:
        return fail("state folder", str(error))
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return fail(
            "state folder",
            f"{there}: this user may not write there",
            "run this as the daemon's user, or name another folder (state:)",
        )
    return ok("state folder", f"{folder}{'' if there == folder else ', to be made'}, on local disk")


def _space(settings: Settings) -> Iterator[Finding]:
    floor = settings.share.free_space
    for folder in (settings.outbox, settings.state):
        if not folder.exists():
            continue
        try:
            check_free_space(folder, floor)
        except WorldFault as fault:
            yield fail("free space", str(fault))
        else:
            free = words.size(shutil.disk_usage(folder).free)
            yield ok("free space", f"{free} on the disk of {folder}")


def _receivers(settings: Settings) -> Iterator[Finding]:
    try:
        receivers = receivers_of(settings.notify)
    except ConfigError as error:
        yield fail("notify", str(error))
        return
    waiting: Mapping[str, int] = {}
    # Where the ledger cannot be read, the finding about the ledger says so.
    with contextlib.suppress(AtelierError, OSError):
        ledger = Ledger.open(settings.state / "ledger.sqlite", read_only=True)
        try:
            waiting = ledger.notices.waiting()
        finally:
            ledger.close()
    for receiver in receivers:
        count = waiting.get(receiver.name, 0)
        events = ", ".join(event.value for event in receiver.events)
        yield ok("notify", f"{receiver.label}: {events}; {words.count(count, 'notice')} to bring")


def _ledger(settings: Settings) -> Finding:
    try:
        ledger = Ledger.open(settings.state / "ledger.sqlite", read_only=True)
        try:
            counts = ledger.counts().jobs
        finally:
            ledger.close()
        daemon = daemon_of(settings.state, datetime.now(UTC))
    except (AtelierError, OSError) as error:
        return fail("ledger", str(error))
    jobs = ", ".join(f"{counts[state]:,} {state}" for state in JobState if counts[state])
    runs = "no daemon is running" if daemon is None else f"the daemon is process {daemon.pid}"
    return ok("ledger", f"{jobs or 'no jobs'}; {runs}")
