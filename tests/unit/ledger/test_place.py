from __future__ import annotations

from pathlib import Path

import pytest

from atelierd.errors import ConfigError
from atelierd.ledger.place import Mount, find_mount, refuse_network

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 27 0:40 / /mnt/share rw,relatime shared:9 - cifs //nas/art rw,vers=3.0
32 27 0:41 / /mnt/my\040share rw - nfs4 nas:/art rw
33 27 0:42 / /mnt/shareholder rw - xfs /dev/vdb rw
34 27 0:43 / /home/anna/cloud rw - fuse.sshfs anna@host:/ rw
35 27 254:1 / /media/stick rw - fuseblk /dev/sdb1 rw
36 31 254:2 / /mnt/share/local rw - ext4 /dev/vdc rw
37 27 0:44 / /data rw - ext4 /dev/vdd rw
38 27 0:45 / /data rw - nfs4 nas:/data rw
""".strip()


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/var/lib/atelierd", "/", "ext4"),
        ("/mnt/share", "/mnt/share", "cifs"),
        ("/mnt/share/state", "/mnt/share", "cifs"),
        ("/mnt/shareholder/state", "/mnt/shareholder", "xfs"),
        ("/mnt/my share/state", "/mnt/my share", "nfs4"),
        ("/mnt/share/local/state", "/mnt/share/local", "ext4"),
    ],
)
def test_the_mount_of_a_path_is_the_innermost_that_holds_it(
    path: str, point: str, kind: str
) -> None:
    mount = find_mount(path, MOUNTS)
    assert mount is not None
    assert (mount.point, mount.kind) == (point, kind)


def test_of_two_mounts_on_one_point_the_later_one_counts() -> None:
    assert find_mount("/data/x", MOUNTS) == Mount("/data", "nfs4", "nas:/data")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/mnt/share/state", "cifs"), ("/data", "nfs4"), ("/home/anna/cloud/x", "fuse.sshfs")],
)
def test_a_state_folder_on_the_network_is_refused_with_the_reason(folder: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"{folder}: .* on a {kind} file system .* Set `state`"):
        refuse_network(Path(folder), MOUNTS)


@pytest.mark.parametrize("folder", ["/var/lib/atelierd", "/media/stick/state", "/mnt/share/local"])
def test_a_state_folder_on_a_disk_of_this_machine_is_accepted(folder: str) -> None:
    refuse_network(Path(folder), MOUNTS)


def test_a_symbolic_link_does_not_hide_the_network(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (tmp_path / "state").symlink_to(share)
    mounts = f"27 1 254:0 / / rw - ext4 /dev/vda rw\n31 27 0:40 / {share} rw - nfs nas:/a rw"
    with pytest.raises(ConfigError, match="nfs"):
        refuse_network(tmp_path / "state" / "deeper", mounts)


def test_this_machines_own_mounts_can_be_read(tmp_path: Path) -> None:
    refuse_network(tmp_path)
