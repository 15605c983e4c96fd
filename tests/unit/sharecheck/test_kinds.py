from __future__ import annotations

import pytest

from atelierd.ledger.place import find_mount
from atelierd.sharecheck.kinds import believed

LINE = "90 25 0:50 / /data rw,relatime - {kind} nas:/data {options}"


@pytest.mark.parametrize(
    ("kind", "options", "longest", "because", "has_remedy"),
    [
        ("nfs4", "rw,vers=4.2,hard", 60, "the default of NFS clients", True),
        ("nfs4", "rw,acregmin=1,acregmax=5", 60, "the default of NFS clients", True),
        ("nfs4", "rw,acregmin=3,acregmax=3,acdirmin=3,acdirmax=3", 3, "acregmax=3", False),
        ("nfs", "rw,acregmax=4,acdirmax=30", 30, "acdirmax=30", True),
        ("nfs", "rw,noac", 0, "noac", False),
        ("cifs", "rw,vers=3.1.1,actimeo=1", 1, "actimeo=1", False),
        ("smb3", "rw", 1, "the default of mount.cifs", False),
        ("cifs", "rw,actimeo=30,closetimeo=1", 30, "actimeo=30", True),
    ],
)
def test_the_options_of_the_mount_tell_how_long_it_believes(
    kind: str, options: str, longest: float, because: str, has_remedy: bool
) -> None:
    mount = find_mount("/data/x", LINE.format(kind=kind, options=options))
    assert mount is not None
    assert mount.is_remote
    found = believed(mount)
    assert found is not None
    assert (found.longest, found.because) == (longest, because)
    assert bool(found.remedy) is has_remedy


def test_of_sshfs_the_default_counts_for_its_options_are_not_shown() -> None:
    mount = find_mount("/data", LINE.format(kind="fuse.sshfs", options="rw,user_id=0"))
    assert mount is not None
    found = believed(mount)
    assert found is not None
    assert found.longest == 20
    assert "dcache_timeout=1" in found.remedy


@pytest.mark.parametrize(("kind", "remote"), [("ext4", False), ("fuse.rclone", True)])
def test_of_others_nothing_is_claimed(kind: str, remote: bool) -> None:
    mount = find_mount("/data", LINE.format(kind=kind, options="rw"))
    assert mount is not None
    assert mount.is_remote is remote
    assert believed(mount) is None
