"""Where a ledger may lie: SQLite's write-ahead log needs a disk of this machine.

On a network file system the log's shared memory and locks are not shared between machines, and
some servers acknowledge writes that a power cut undoes; SQLite's own documentation excludes both.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from atelierd.errors import ConfigError

#: File systems whose files lie on, or are shared with, another machine.
NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p", "virtiofs"),
        *("ceph", "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2", "ocfs2", "gfs2"),
        *("davfs", "vboxsf", "vmhgfs", "prl_fs"),
    }
)


@dataclass(frozen=True)
class Mount:
    """One line of `/proc/self/mountinfo`: where it is mounted, its kind, what is mounted, how."""

    point: str
    kind: str
    source: str
    options: tuple[str, ...] = field(default=(), compare=False)
    """Those of the file system itself, such as `vers=3.0` or `actimeo=1`."""

    @property
    def is_remote(self) -> bool:
        """Whether others than this machine's kernel may change what lies there."""
        # fuseblk is a local block device behind FUSE (ntfs-3g); every other FUSE may be anything.
        return self.kind in NETWORK or self.kind == "fuse" or self.kind.startswith("fuse.")


def find_mount(path: str, mountinfo: str) -> Mount | None:
    """Return the mount that holds the absolute, symlink-free `path`, None if there is none.

    `mountinfo` is the text of `/proc/self/mountinfo`, see proc(5).
    """
    best = None
    for line in mountinfo.splitlines():
        fields, _, filesystem = line.partition(" - ")
        point = _unescape(fields.split(" ")[4])
        kind, source, options = [*filesystem.split(" "), ""][:3]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of two mounts on one point the later line is the one that is seen.
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(point, kind, _unescape(source), tuple(options.split(",")))
    return best


def fstab_points(fstab: str) -> list[Path]:
    """Return the mount points that `fstab`, the text of /etc/fstab, names; see fstab(5)."""
    lines = (line.split() for line in fstab.splitlines() if not line.lstrip().startswith("#"))
    points = (_unescape(fields[1]) for fields in lines if len(fields) > 1)
    return [Path(point) for point in points if point.startswith("/")]


def refuse_network(folder: Path, mountinfo: str | None = None) -> None:
    """Raise ConfigError, with the reason, if `folder` lies on a network or FUSE file system."""
    real = os.path.realpath(folder)
    if mountinfo is None:
        mountinfo = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    mount = find_mount(real, mountinfo)
    if mount is None or not mount.is_remote:
        return
    raise ConfigError(
        f"{folder}: the state folder lies on a {mount.kind} file system ({mount.source}, mounted "
        f"at {mount.point}). The ledger must be on a local disk: on a network or FUSE file system "
        "its locks and its write-ahead log cannot be trusted. Set `state` to a folder on a disk "
        "of this machine, for example /var/lib/atelierd"
    )


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
