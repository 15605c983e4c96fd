"""How long the clients of network file systems believe what they have seen, by their manuals.

From one machine that cannot be measured: what it changes itself, it sees at once. So the mount's
options are read, and where they do not say it, the client's own default counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from atelierd.ledger.place import Mount

#: nfs(5): acregmax and acdirmax, where nothing else is said.
NFS_LONGEST = 60.0
#: mount.cifs(8): actimeo, where nothing else is said.
CIFS_LONGEST = 1.0
#: sshfs(1): dcache_timeout. The options of a FUSE program are not shown by the kernel.
SSHFS_LONGEST = 20.0


@dataclass(frozen=True)
class Believed:
    """How long this machine may go on believing what it has seen of a file or a folder."""

    longest: float
    """Seconds."""
    because: str
    """Where that is written."""
    remedy: str = ""
    """How it is made shorter."""


def believed(mount: Mount) -> Believed | None:
    """Return what is known of the mount, None if nothing is."""
    if mount.kind in ("nfs", "nfs4"):
        return _nfs(mount)
    if mount.kind in ("cifs", "smb3"):
        longest, option = _longest(mount, ("actimeo", "acregmax", "acdirmax"))
        if option is None:
            longest, option = CIFS_LONGEST, "the default of mount.cifs"
        return Believed(longest, option, "mount it with actimeo=1" if longest > 2 else "")
    if mount.kind == "fuse.sshfs":
        return Believed(
            SSHFS_LONGEST,
            "the default of sshfs; whether it was mounted with another is not shown",
            "mount it with dcache_timeout=1",
        )
    return None


def _nfs(mount: Mount) -> Believed:
    if "noac" in mount.options:
        return Believed(0.0, "noac")
    longest, option = _longest(mount, ("actimeo", "acregmax", "acdirmax"))
    remedy = "mount it with actimeo=3"
    if option is None or not {"actimeo"} & {one.partition("=")[0] for one in mount.options}:
        # What is not shown has its default, and the longer one counts.
        shown = {one.partition("=")[0] for one in mount.options}
        if not {"acregmax", "acdirmax"} <= shown:
            longest, option = max(longest, NFS_LONGEST), "the default of NFS clients"
    assert option is not None
    return Believed(longest, option, remedy if longest > 5 else "")


def _longest(mount: Mount, names: tuple[str, ...]) -> tuple[float, str | None]:
    """Return the longest of the options by these names, and the option itself."""
    longest, option = 0.0, None
    for one in mount.options:
        name, _, value = one.partition("=")
        if name in names and value.isdigit() and (option is None or int(value) > longest):
            longest, option = float(value), one
    return longest, option
