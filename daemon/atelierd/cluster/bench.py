"""A worker's own folder and process: what was sent, what is kept, and the studio that renders.

    inputs/          pictures by their SHA-256
    weights/         one file per network
    renders/         the work folder of the render that is under way
    arriving/        files of which some parts are still to come
    machine.json     what `atelierd benchmark` has measured on this machine

Nothing in it is needed by anybody else: a worker that loses its folder is sent everything again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Protocol

from atelierd import durable
from atelierd.cluster.parcel import INLINE, PART, Brought, Errand, FileName, Lacking, Part
from atelierd.dispatch.outcomes import outcome_of
from atelierd.errors import JobFault, LackingFault, NodeFault, OutOfMemoryFault, WorldFault
from atelierd.jobs.frozen import input_path
from atelierd.render import checkpoint
from atelierd.render.chosen import note_out_of_memory
from atelierd.render.segment import SegmentOrder, SegmentReport
from atelierd.weights.formats import canonical
from atelierd.weights.network import Network

logger = logging.getLogger(__name__)

#: How long a picture is kept that nothing has asked for.
KEEP_INPUTS = timedelta(days=14)


class Studios(Protocol):
    """The process that renders: `dispatch.pool`'s."""

    @property
    def killed_for_memory(self) -> bool:
        """Whether the kernel has ended processes for lack of memory since its start."""
        ...

    def submit(self, order: SegmentOrder) -> Future[SegmentReport]:
        """Have it do a segment."""
        ...

    def replace(self, reason: str) -> None:
        """Kill it; the next segment starts a new one."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


class Bench:
    """Does errands, one after the other, whoever asks: a second one waits for the first."""

    def __init__(self, folder: Path, studios: Studios, own_weights: Path) -> None:
        """Work in `folder`; weights that this machine has in `own_weights` need not be sent."""
        self._folder = folder
        self._studios = studios
        self._own_weights = own_weights
        self._work: dict[str, Path] = {}
        self._numbers = count(1)
        # A thread that outlives dask's: a worker process ends with the thread that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bench")
        for name in ("renders", "arriving"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in ("inputs", "weights", "renders", "arriving"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def run(self, errand: Errand) -> Lacking | Brought:
        """Do a segment, or say what is lacking for it.

        Raises JobFault, NodeFault; WorldFault if this machine's disk is to blame.
        """
        return self._thread.submit(self._run, errand).result()

    def receive(self, part: Part) -> None:
        """Keep some bytes of a file, and the file once it is whole. Raises NodeFault, OSError."""
        kind, name = part.file.kind, part.file.name
        arriving = self._folder / "arriving" / f"{kind}-{name.replace('/', '-')}"
        with arriving.open("r+b" if part.offset else "wb") as file:
            file.seek(part.offset)
            file.write(part.data)
        if part.offset + len(part.data) < part.size:
            return
        if kind == "input":
            self._keep_input(name, arriving)
        elif kind == "weights":
            self._keep_weights(name, arriving)
        else:
            target = self._work_of(part.render_id) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            arriving.replace(target)

    def part(self, render_id: str, name: str, offset: int) -> bytes:
        """Return some bytes of a file that the last segment has brought. Raises NodeFault."""
        path = self._work_of(render_id) / FileName("work", name).name
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(PART)
        except OSError as error:
            raise NodeFault(f"{name} cannot be read at the worker: {error.strerror}") from error

    def replace(self, reason: str) -> None:
        """Kill the process that renders, whatever it does."""
        self._studios.replace(reason)

    def close(self) -> None:
        """End the process that renders."""
        self._studios.replace("the worker ends")
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _run(self, errand: Errand) -> Lacking | Brought:
        try:
            lacking = self._lacking(errand)
            if lacking is not None:
                return lacking
            work = self._work_of(errand.order.render_id)
            for path in list(_pictures(work)):
                # They are at home: the daemon keeps them before the checkpoint that it named.
                path.unlink()
            before = _stats(work)
            order = replace(errand.order, state=self._folder, work=work, save=True)
            future = self._studios.submit(order)
        except OSError as error:
            raise WorldFault(f"the worker's own folder: {error}") from error
        # Asked when the segment has ended: while it runs, nobody has been killed yet.
        wait([future])
        killed = self._studios.killed_for_memory
        outcome = outcome_of(future, self._folder, killed_for_memory=killed)
        if isinstance(outcome, SegmentReport):
            return _brought(work, before, outcome)
        self._see_to(outcome, work)
        raise outcome

    def _see_to(self, fault: JobFault | NodeFault | WorldFault, work: Path) -> None:
        if isinstance(fault, OutOfMemoryFault):
            with suppress(OSError):
                note_out_of_memory(work)
        if isinstance(fault, (NodeFault, WorldFault)) and not isinstance(fault, LackingFault):
            self._studios.replace(str(fault))

    def _lacking(self, errand: Errand) -> Lacking | None:
        """Return what is not here; a live render that is elsewhere than the daemon is given up."""
        render_id = errand.order.render_id
        work = self._work.get(render_id)
        is_new = work is None or not work.is_dir()
        if work is None or is_new or checkpoint.newest_mark(work) != errand.after:
            if not is_new:
                logger.warning("%s: what was done here has been done elsewhere, too", render_id)
            self._begin(render_id)
            is_new = True
        files = [FileName("input", sha256) for sha256 in errand.inputs if not self._has(sha256)]
        if not self._has_weights(errand.network, errand.weights):
            files.append(FileName("weights", errand.network))
        return Lacking(tuple(files), work=is_new) if files or is_new else None

    def _begin(self, render_id: str) -> None:
        """Make a new work folder; by another name, so that the studio gives up what it holds."""
        for path in self._work.values():
            shutil.rmtree(path, ignore_errors=True)
        self._work = {render_id: self._folder / "renders" / f"{render_id}-{next(self._numbers)}"}
        self._work[render_id].mkdir()
        before = time.time() - KEEP_INPUTS.total_seconds()
        for path in (self._folder / "inputs").glob("??/*"):
            if path.stat().st_mtime < before:
                path.unlink()

    def _work_of(self, render_id: str) -> Path:
        if render_id not in self._work:
            # Another daemon's: nobody's attempt.
            raise WorldFault("the worker has begun with another daemon's render meanwhile")
        return self._work[render_id]

    def _has(self, sha256: str) -> bool:
        path = input_path(self._folder, sha256)
        with suppress(FileNotFoundError):
            os.utime(path)
            return True
        return False

    def _keep_input(self, sha256: str, arriving: Path) -> None:
        with arriving.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            arriving.unlink()
            raise NodeFault(f"a picture came with the SHA-256 {found}, expected {sha256}")
        target = input_path(self._folder, sha256)
        target.parent.mkdir(exist_ok=True)
        arriving.replace(target)

    def _has_weights(self, network: Network, sha256: str) -> bool:
        kept = self._weights_file(network)
        if _numbers_of(kept) == sha256:
            return True
        own = self._own_weights / kept.name
        if _numbers_of(own) != sha256:
            return False
        self._keep_weights(network, own)
        return True

    def _keep_weights(self, network: str, arrived: Path) -> None:
        kept = self._weights_file(network)
        had_others = kept.exists()
        weights = canonical.read(arrived)
        # Marked as nobody's configured source: the studio takes the file as it is.
        canonical.write(kept, weights, {**canonical.read_metadata(arrived), "configured": ""})
        if had_others:
            self._studios.replace(f"other weights of {network} have come")

    def _weights_file(self, network: str) -> Path:
        return self._folder / "weights" / f"{network}.safetensors"


def _numbers_of(path: Path) -> str | None:
    """Return the SHA-256 of a file's numbers, as the file says; None if there is none."""
    if not path.exists():
        return None
    try:
        return canonical.read_metadata(path).get("sha256")
    except Exception:  # noqa: BLE001 - whatever is wrong with it, another one is sent
        return None


def _brought(work: Path, before: dict[str, tuple[int, int]], report: SegmentReport) -> Brought:
    now = _stats(work)
    new = [name for name, stat in now.items() if before.get(name) != stat]
    # A checkpoint counts the pictures before it: they are kept first.
    new.sort(key=lambda name: (name.endswith(checkpoint.SUFFIX), name))
    inline: dict[str, bytes] = {}
    room = INLINE
    for name in new:
        size = now[name][1]
        if size <= room:
            inline[name] = (work / name).read_bytes()
            room -= size
    return Brought(report, tuple((name, now[name][1]) for name in new), inline)


def _stats(work: Path) -> dict[str, tuple[int, int]]:
    """Return when each file of a work folder was changed (nanoseconds), and its size."""
    found = {}
    for path in _files(work):
        stat = path.stat()
        found[str(path.relative_to(work))] = (stat.st_mtime_ns, stat.st_size)
    return found


def _pictures(work: Path) -> Iterator[Path]:
    kept = (checkpoint.SUFFIX, ".json")
    return (path for path in _files(work) if path.suffix not in kept)


def _files(work: Path) -> Iterator[Path]:
    return (
        path for path in work.rglob("*") if path.is_file() and not durable.is_temporary(path.name)
    )
