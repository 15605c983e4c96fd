"""Yards whose share lies on a server of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.conftest import new_yard, yard
from tests.faults.yard import Yard
from tests.shares.network import BadLine
from tests.shares.people import Person
from tests.shares.samba import SambaServer
from tests.shares.sshfs import SshMount, SshServer

__all__ = ["new_yard", "yard"]

MountMaker = Callable[..., SshMount]
LineMaker = Callable[..., BadLine]


@pytest.fixture
def endings() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def real(yard: Yard, tmp_path: Path) -> Path:
    """The folder that the server has; `yard.share` is an empty mount point for it."""
    real = tmp_path / "real"
    yard.share.rename(real)
    yard.share.mkdir()
    return real


@pytest.fixture
def samba(yard: Yard, tmp_path: Path, endings: ExitStack) -> SambaServer:
    """A Samba server whose share is the yard's, and whose machine the daemon runs on."""
    server = SambaServer(yard.share, tmp_path / "samba")
    endings.callback(server.end)
    return server


@pytest.fixture
def person(yard: Yard, samba: SambaServer, tmp_path: Path) -> Person:
    """Somebody on another machine that has the share through Samba."""
    return Person(yard, samba, tmp_path / "desk")


@pytest.fixture
def person_on_server(yard: Yard, real: Path, tmp_path: Path, endings: ExitStack) -> Person:
    """Somebody who has the same share through Samba, while the daemon is on a third machine."""
    server = SambaServer(real, tmp_path / "samba")
    endings.callback(server.end)
    return Person(yard, server, tmp_path / "desk")


@pytest.fixture
def ssh(tmp_path: Path, endings: ExitStack) -> SshServer:
    server = SshServer(tmp_path / "ssh")
    endings.callback(server.end)
    return server


@pytest.fixture
def mounted(ssh: SshServer, endings: ExitStack) -> MountMaker:
    """Return a function that mounts a folder of the SSH server's."""

    def mount(folder: Path, point: Path, *options: str, port: int | None = None) -> SshMount:
        one = SshMount(ssh, folder, point, *options, port=port)
        endings.callback(one.end)
        return one

    return mount


@pytest.fixture
def line(endings: ExitStack) -> LineMaker:
    """Return a function that lays a bad line to a server's port."""

    def lay(port: int, *, bytes_a_second: float = float("inf"), delay: float = 0.0) -> BadLine:
        one = BadLine(port, bytes_a_second=bytes_a_second, delay=delay)
        endings.callback(one.close)
        return one

    return lay
