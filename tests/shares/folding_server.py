"""A FUSE file system on which case and composition of names do not matter, as on macOS.

`python -m tests.shares.folding_server SOURCE MOUNT_POINT ORDERS`; names that are made are kept with
their accents decomposed. Linux has such folders with ext4 and its casefold feature, NTFS, exFAT and
shares of such machines.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import mfusepy
from tests.faults.flaky_server import Passing

from atelierd.jobs.listing import folded


class _Folder(str):
    """The path of a folder; what is added to it is spelled as it is there."""

    __slots__ = ()

    def __add__(self, path: str) -> str:
        here = str(self)
        for part in path.strip("/").split("/"):
            here = f"{here}/{_spelled(here, part)}" if part else here
        return here


def _spelled(folder: str, name: str) -> str:
    try:
        there = os.listdir(folder)  # noqa: PTH208 - hot, and names are all that is wanted
    except OSError:
        there = []
    alike = [one for one in there if folded(one) == folded(name)]
    return alike[0] if alike else unicodedata.normalize("NFD", name)


class Folding(Passing):
    """Passes everything through to the one name that is meant."""

    def __init__(self, source: str, orders: Path) -> None:
        super().__init__(_Folder(source), orders)


def main(arguments: Sequence[str]) -> None:
    """Serve the file system until it is unmounted."""
    source, mount_point, orders = arguments
    mfusepy.FUSE(
        Folding(source, Path(orders)),
        mount_point,
        foreground=True,
        use_ino=True,
        attr_timeout=1,
        entry_timeout=1,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
