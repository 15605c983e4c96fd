"""Which programs of other people's the tests of shares need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

#: The Debian package that has each.
PACKAGES = {
    "smbd": "samba",
    "smbclient": "smbclient",
    "sshfs": "sshfs",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
}
_REQUIRED = "ATELIERD_REQUIRE_SHARES"


def program(name: str) -> str:
    """Return where a program is; servers are in folders that users may not have in their PATH."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise FileNotFoundError(f"{name} is missing (apt-get install {PACKAGES[name]})")
    return path


def missing(*names: str, mounts: bool = False) -> str | None:
    """Return why tests with these programs cannot run here, None if they can."""
    try:
        for name in names:
            program(name)
    except FileNotFoundError as error:
        return str(error)
    if os.geteuid() != 0:
        return "only root may start these servers"
    if mounts and not Path("/dev/fuse").exists():
        return "there is no /dev/fuse"
    return None


def needs(*names: str, mounts: bool = False) -> pytest.MarkDecorator:
    """Return the mark of tests that are skipped, with the reason, where programs are missing.

    With ATELIERD_REQUIRE_SHARES=1 they run, and fail.
    """
    reason = missing(*names, mounts=mounts)
    required = os.environ.get(_REQUIRED) == "1"
    return pytest.mark.skipif(reason is not None and not required, reason=str(reason))


def needs_samba() -> pytest.MarkDecorator:
    """Return the mark of tests with a Samba server."""
    return needs("smbd", "smbclient")


def needs_sshfs() -> pytest.MarkDecorator:
    """Return the mark of tests with an sshfs mount."""
    return needs("sshfs", "sshd", "ssh-keygen", mounts=True)
