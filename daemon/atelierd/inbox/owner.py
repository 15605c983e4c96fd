"""One daemon for each inbox: a local lock, and an owner file for other hosts (rule 10).

The locks lie on local disks (locks on a share hang when its server does): one in the state folder,
so that no two daemons write one ledger, and one in the host's run-time folder, named after the
inbox. The kernel drops them when the daemon dies, however it dies.

Daemons on other hosts see the owner file in the inbox, renewed by a heartbeat. It is fresh or
stale by the file server's own clock: its modification time is compared with that of a file just
written beside it, so hosts whose clocks differ agree. An owner on this machine that is known to be
gone, for its process ended or the machine was started again, is replaced at once. Two daemons that
write the file at the same moment find out at the next heartbeat, when all but the last writer step
back.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from atelierd import durable
from atelierd.errors import AtelierError, WorldFault
from atelierd.share import Role, check_share
from atelierd.wording import shown
from atelierd.worldfaults import as_world_fault

logger = logging.getLogger(__name__)

OWNER_NAME = ".atelierd-owner"
#: In the state folder.
LOCK_NAME = "daemon.lock"
HEARTBEAT = timedelta(seconds=30)
#: An owner on another host that has not renewed its file for this long is taken to be gone.
STALE = timedelta(minutes=3)


class InboxHeldError(AtelierError):
    """Another daemon serves this inbox or writes this state folder; the message says which."""


class Owner(BaseModel):
    """A daemon, as the lock files and the owner file name it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str
    #: The machine's id, empty where it has none, as in many containers.
    machine: str
    #: The boot and the PID namespace, outside of which `pid` means nothing.
    boot: str
    namespace: str
    pid: int
    #: Clock ticks from boot to the start of the process: tells it from a later one of that number.
    ticks: int
    started: datetime
    heartbeat: datetime
    #: Tells two daemons apart that agree in all else.
    token: str

    def __str__(self) -> str:
        return (
            f"process {self.pid} on {shown(self.host)} (running since {self.started:%F %T %Z}, "
            f"last sign of life {self.heartbeat:%F %T %Z})"
        )


def this_process(now: datetime) -> Owner:
    """Describe the calling process; `now` is the wall clock in UTC."""
    return Owner(
        host=socket.gethostname(),
        machine=_text_of("/etc/machine-id"),
        boot=_text_of("/proc/sys/kernel/random/boot_id"),
        namespace=str(Path("/proc/self/ns/pid").readlink()),
        pid=os.getpid(),
        ticks=_start_ticks(os.getpid()) or 0,
        started=now,
        heartbeat=now,
        token=secrets.token_hex(8),
    )


def runtime_folder() -> Path:
    """Return the host's folder for the locks of this user's daemons (it may not exist yet)."""
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        if folder := os.environ.get(variable, "").split(":")[0]:
            return Path(folder)
    return Path(tempfile.gettempdir()) / f"atelierd-{os.getuid()}"


class Ownership:
    """This daemon's hold on an inbox, from `take` to `release`."""

    def __init__(self, inbox: Path, me: Owner, locks: contextlib.ExitStack) -> None:
        self._inbox = inbox
        self._me = me
        self._locks = locks
        self._beaten_at: float | None = None

    @classmethod
    def take(
        cls, inbox: Path, *, state: Path, runtime: Path, now: float, wall: datetime
    ) -> Ownership:
        """Lock `inbox` and the state folder, and put the owner file into the inbox.

        `now` is the monotonic clock, in seconds. A share that is not there now is no hindrance:
        the owner file is then written by the first heartbeat that reaches it. Raises
        InboxHeldError if another daemon is at work here, OSError if a lock file cannot be made.
        """
        me = this_process(wall)
        name = hashlib.sha256(os.path.realpath(inbox).encode(errors="surrogateescape")).hexdigest()
        with contextlib.ExitStack() as locks:
            locks.enter_context(_lock(state / LOCK_NAME, me, f"the state folder {state}"))
            locks.enter_context(
                _lock(runtime / f"inbox-{name[:16]}.lock", me, f"the inbox {inbox}")
            )
            ownership = cls(inbox, me, locks.pop_all())
        try:
            ownership.beat(now, wall)
        except WorldFault as fault:
            logger.warning("the owner file cannot be written yet: %s", fault)
        except BaseException:
            ownership._locks.close()
            raise
        return ownership

    def beat(self, now: float, wall: datetime) -> None:
        """Renew the owner file once in every HEARTBEAT; `now` is monotonic, in seconds.

        Raises WorldFault if the share is not there, InboxHeldError if another daemon has taken
        the inbox over (this one was stopped, or cut off, for longer than STALE).
        """
        if self._beaten_at is not None and now - self._beaten_at < HEARTBEAT.total_seconds():
            return
        check_share(self._inbox, Role.INBOX)
        path = self._inbox / OWNER_NAME
        try:
            with as_world_fault(path):
                self._refuse_other(path)
                self._me = self._me.model_copy(update={"heartbeat": wall})
                durable.write_json(path, self._me.model_dump(mode="json"))
        except OSError as error:
            # A folder of that name, for one: people can put it there.
            raise WorldFault(
                f"{path}: {error.strerror}: the daemon cannot say there that the inbox is its own; "
                "remove what lies there under that name"
            ) from error
        self._beaten_at = now

    def release(self) -> None:
        """Remove the owner file, if it is still ours and can be reached, and drop the locks."""
        path = self._inbox / OWNER_NAME
        with contextlib.suppress(OSError, WorldFault):
            check_share(self._inbox, Role.INBOX)
            owner = _read_owner(path)
            if owner is not None and owner.token == self._me.token:
                path.unlink()
        self._locks.close()

    def _refuse_other(self, path: Path) -> None:
        owner = _read_owner(path)
        if owner is None or owner.token == self._me.token:
            return
        alive = _is_alive(owner, self._me)
        if alive is None:
            silent = _server_time(self._inbox) - path.stat().st_mtime
            alive = silent <= STALE.total_seconds()
            if not alive:
                logger.warning("taking the inbox over: silent for %.0f s is %s", silent, owner)
        if alive:
            raise InboxHeldError(
                f"the inbox {self._inbox} is served by another daemon, {owner}; stop that one, or "
                f"give this one an inbox of its own"
            )


def daemon_of(state: Path, now: datetime) -> Owner | None:
    """Return the daemon that works with this state folder, None if there is none.

    The lock is read, not tried: a trial could keep a daemon from starting just then. `now` is the
    wall clock in UTC. Raises OSError if this user may not read the lock file.
    """
    owner = _read_owner(state / LOCK_NAME)
    # The state folder is on a disk of this machine: a process that cannot be seen from here (in
    # another container) may live.
    if owner is None or _is_alive(owner, this_process(now)) is False:
        return None
    return owner


@contextlib.contextmanager
def _lock(path: Path, me: Owner, what: str) -> Iterator[None]:
    """Hold the lock file `path`, which names its holder."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _parse_owner(os.pread(descriptor, 4_096, 0))
            raise InboxHeldError(
                f"{what} is in use by another daemon, {holder or 'which is just starting'}; stop "
                "that one, or give this one inbox, outbox and state folder of its own"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(me.model_dump(mode="json")).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _is_alive(owner: Owner, me: Owner) -> bool | None:
    """Return whether the process of `owner` lives; None where it cannot be seen from `me`."""
    if (owner.boot, owner.namespace) == (me.boot, me.namespace):
        return owner.ticks == _start_ticks(owner.pid)
    same_machine = me.machine and (owner.host, owner.machine) == (me.host, me.machine)
    return False if same_machine and owner.boot != me.boot else None


def _read_owner(path: Path) -> Owner | None:
    """Return what the owner file says, None where there is none or it is damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        # A link in its place is replaced when ours is written.
        if error.errno == errno.ELOOP:
            return None
        raise
    try:
        return _parse_owner(os.read(descriptor, 4_096))
    finally:
        os.close(descriptor)


def _parse_owner(data: bytes) -> Owner | None:
    try:
        return Owner.model_validate_json(data)
    except ValidationError:
        return None


def _server_time(folder: Path) -> float:
    """Return the time, in seconds since 1970, by the clock of the server that holds `folder`."""
    path = folder / f"{durable.TEMPORARY_PREFIX}{secrets.token_hex(6)}-clock"
    with path.open("xb") as file:
        file.write(b"\n")
    try:
        return path.stat().st_mtime
    finally:
        path.unlink()


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _start_ticks(pid: int) -> int | None:
    """Return when process `pid` started, in clock ticks since boot; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name, in parentheses, may hold spaces and parentheses of its own.
    return int(stat[stat.rindex(b")") + 2 :].split()[19])
