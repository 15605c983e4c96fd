"""Carries segments to a worker and what they bring back home, as if they had been done here.

What a local worker would have left in a render's work folder lies there when a segment's future is
done: pictures first, then the plan, the checkpoint last. Killed at any point, the daemon goes on
from the checkpoint before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from atelierd import durable
from atelierd.cluster import remote
from atelierd.cluster.parcel import PART, Brought, Errand, FileName, Lacking, Part
from atelierd.errors import NodeFault
from atelierd.failpoints import failpoint
from atelierd.jobs.frozen import FrozenRender
from atelierd.render import checkpoint
from atelierd.render.segment import SegmentOrder, SegmentReport, inputs_in
from atelierd.weights.network import Network

logger = logging.getLogger(__name__)

#: Share of the time that bringing checkpoints home may take; segments are longer for it.
HOMECOMING_SHARE = 0.05
#: Seconds that segments last at least for each worker that there is: seeing to one takes the daemon
#: some 20 to 70 ms (tests/benchmarks/cluster.py), and it is to be idle most of the time.
SECONDS_PER_WORKER = 0.1
#: Seconds that a segment lasts at most: so long do a stop, a hold and an urgent job wait for it.
LONGEST_SEGMENT = 30.0
#: How often a worker may ask for something before it begins.
MOST_ASKS = 3
#: The work folder's files that a worker is sent, beside checkpoints.
_FACTS = ("plan.json", "ran-out.json")

#: Has the worker run a function, and gives its future.
Call = Callable[..., Future[Any]]


class WeightSource(Protocol):
    """Where the daemon has its weights."""

    def of(self, network: Network) -> tuple[Path, str]:
        """Return the network's file and the SHA-256 of its numbers."""
        ...

    def stop(self) -> None:
        """Have nobody wait any more for weights that are being fetched."""
        ...


class Fence:
    """The right of one segment to write to its render's work folder."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds = True

    def write(self, write: Callable[[], None]) -> None:
        """Write if the right still holds. Raises NodeFault if it does not."""
        with self._lock:
            if not self._holds:
                raise NodeFault("its answer came when nobody waited for it any more")
            write()

    def end(self) -> None:
        """Give the right up: whoever writes after this is too late."""
        with self._lock:
            self._holds = False


class Fences:
    """Who may write to each render's work folder: only the last who was asked for a segment of it.

    An answer that comes when another worker has been asked since is dropped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: dict[str, Fence] = {}

    def take(self, render_id: str) -> Fence:
        """Return the right to write, which nobody else has from now on."""
        fence = Fence()
        with self._lock:
            before = self._holders.get(render_id)
            self._holders[render_id] = fence
        if before is not None:
            before.end()
        return fence

    def leave(self, render_id: str, fence: Fence) -> None:
        """Give the right up."""
        fence.end()
        with self._lock:
            if self._holders.get(render_id) is fence:
                del self._holders[render_id]


class Carrier:
    """Carries one segment after the other to one worker; each call waits for its end."""

    def __init__(
        self, call: Call, weights: WeightSource, crowd: Callable[[], int] = lambda: 1
    ) -> None:
        """`crowd` tells how many workers the daemon has to see to."""
        self._call = call
        self._weights = weights
        self._crowd = crowd
        self._under_way: Future[Any] | None = None
        self._given_up: str | None = None
        #: Seconds that the last homecoming of each render took; only of the present one.
        self._homecoming: dict[str, float] = {}

    def carry(self, order: SegmentOrder, fence: Fence) -> SegmentReport:
        """Have a segment done and bring home what it came to.

        Raises JobFault, NodeFault, WorldFault, WeightsError; OSError if the daemon's own folder
        cannot be read or written.
        """
        order.work.mkdir(parents=True, exist_ok=True)
        frozen = FrozenRender.model_validate_json(order.spec)
        network = frozen.settings.network
        weights, numbers = self._weights.of(network)
        errand = Errand(
            order=replace(order, seconds=self._seconds(order)),
            after=checkpoint.newest_mark(order.work),
            network=network,
            weights=numbers,
            inputs=tuple(dict.fromkeys(image.sha256 for image in frozen.images)),
        )
        for _ in range(MOST_ASKS):
            answer = self._ask(remote.run_errand, errand)
            if isinstance(answer, Brought):
                return self._bring_home(answer, order, fence)
            self._send(answer, order, frozen, weights)
        raise NodeFault("the worker asks again and again for what it was sent")

    def give_up(self, reason: str) -> None:
        """Wait no more for the worker, whatever it does; `carry` raises NodeFault."""
        self._given_up = reason
        if self._under_way is not None:
            self._under_way.cancel()

    def _seconds(self, order: SegmentOrder) -> float:
        """Return how long the segment is to last.

        Longer where a homecoming takes its time, and where the daemon has many workers.
        """
        cost = self._homecoming.get(order.render_id, 0.0)
        longer = max(cost / HOMECOMING_SHARE, SECONDS_PER_WORKER * self._crowd())
        return max(order.seconds, min(LONGEST_SEGMENT, longer)) if order.seconds else 0.0

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._is_given_up():
            raise _given_up(self._given_up)
        self._under_way = self._call(function, *arguments)
        if self._is_given_up():
            # While it was called: `give_up` had nothing to cancel yet.
            self._under_way.cancel()
        try:
            return self._under_way.result()
        except CancelledError as error:
            raise _given_up(self._given_up) from error

    def _is_given_up(self) -> bool:
        return self._given_up is not None

    def _send(
        self, lacking: Lacking, order: SegmentOrder, frozen: FrozenRender, weights: Path
    ) -> None:
        find = inputs_in(order.state)
        pictures = {image.sha256: image for image in frozen.images}
        for file in lacking.files:
            if file.kind != "weights" and file.name not in pictures:
                raise NodeFault(
                    f"the worker asks for {file.name!r}, which the render does not need"
                )
            path = weights if file.kind == "weights" else find(pictures[file.name])
            self._send_file(order.render_id, file, path)
        if lacking.work:
            # Oldest first, so that the newest is there last.
            paths = [
                *(order.work / name for name in _FACTS),
                *reversed(checkpoint.generations(order.work)),
            ]
            for path in paths:
                if path.is_file():
                    self._send_file(order.render_id, FileName("work", path.name), path)

    def _send_file(self, render_id: str, file: FileName, path: Path) -> None:
        size = path.stat().st_size
        with path.open("rb") as opened:
            offset = 0
            while True:
                data = opened.read(PART)
                self._ask(remote.receive_part, Part(render_id, file, offset, size, data))
                offset += len(data)
                if offset >= size or not data:
                    return

    def _bring_home(self, brought: Brought, order: SegmentOrder, fence: Fence) -> SegmentReport:
        started = time.monotonic()
        last: Path | None = None
        for name, size in brought.files:
            target = order.work / FileName("work", name).name
            data = brought.inline.get(name)
            if data is None:
                self._fetch(order.render_id, name, size, target, fence)
            else:
                _keep(target, data, fence)
            if target.suffix == checkpoint.SUFFIX:
                last = target
        failpoint("cluster.home")
        if last is not None:
            fence.write(lambda: checkpoint.drop_others(last))
        self._homecoming = {order.render_id: time.monotonic() - started}
        return brought.report

    def _fetch(self, render_id: str, name: str, size: int, target: Path, fence: Fence) -> None:
        """Bring a file home part by part: a huge one is never in memory as a whole."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{durable.TEMPORARY_PREFIX}arriving-{target.name}")
        try:
            with part.open("wb") as file:
                while file.tell() < size:
                    data = self._ask(remote.give_part, render_id, name, file.tell())
                    if not data:
                        raise NodeFault(f"{name} ended early on its way home")
                    file.write(data)
            fence.write(lambda: durable.adopt(part, target))
        finally:
            part.unlink(missing_ok=True)


def _keep(target: Path, data: bytes, fence: Fence) -> None:
    def write() -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(target, data)

    fence.write(write)


def _given_up(reason: str | None) -> NodeFault:
    return NodeFault(reason or "the worker was given up")
