"""The workers of a dask scheduler as dispatch knows them: a lane for each that is there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from atelierd.cluster import remote
from atelierd.cluster.capability import Capability
from atelierd.cluster.carrier import Carrier, Fences, WeightSource
from atelierd.cluster.link import Link, Peer
from atelierd.cluster.needs import Needs, means_of
from atelierd.errors import NodeFault, WorldFault
from atelierd.render.segment import SegmentOrder, SegmentReport

logger = logging.getLogger(__name__)

#: Workers that one daemon keeps busy at most: each has a thread here while it works.
MOST_WORKERS = 512
NOBODY = (
    "no worker is registered with the scheduler; start some with `atelierd worker`, and the queue "
    "goes on by itself"
)


#: Whether a worker of some capability can do the FrozenRender `spec`, whose work folder is given.
CanDo = Callable[[Capability, str, Path], bool]


class RemoteWorker:
    """One worker of the cluster, as long as it is registered."""

    def __init__(
        self,
        link: Link,
        peer: Peer,
        weights: WeightSource,
        fences: Fences,
        threads: ThreadPoolExecutor,
        can_do: CanDo,
    ) -> None:
        self._link = link
        self._peer = peer
        self._weights = weights
        self._fences = fences
        self._threads = threads
        self._can_do = can_do
        self._carrier = self._new_carrier()
        self._is_up = False
        self._under_way: Future[SegmentReport] | None = None

    @property
    def name(self) -> str:
        """What people know it by."""
        return self._peer.name

    @property
    def capability(self) -> Capability:
        """What it can do."""
        return self._peer.capability

    @property
    def is_up(self) -> bool:
        """Whether it may hold a live render."""
        return self._is_up and self._peer.why is None

    @property
    def killed_for_memory(self) -> bool:
        """Never to be guessed: the worker's own machine tells it with the segment's end."""
        return False

    def takes(self, spec: str, work: Path) -> bool:
        """Whether it has the memory and the engine for a render."""
        return self._can_do(self._peer.capability, spec, work)

    def start(self) -> int:
        """Return the process id that the worker has told.

        Raises NodeFault if it is lost, WorldFault if the scheduler is.
        """
        if isinstance(self._peer.why, WorldFault):
            # No fault of the worker's: no attempt is counted.
            raise WorldFault(str(self._peer.why))
        if self._peer.why is not None:
            raise NodeFault(f"the worker {self.name} is gone")
        self._is_up = True
        return self._peer.capability.pid

    def submit(self, order: SegmentOrder) -> Future[SegmentReport]:
        """Have it do a segment; the future is done when what it brought is at home."""
        self.start()
        fence = self._fences.take(order.render_id)
        carrier = self._carrier

        def carry() -> SegmentReport:
            try:
                return carrier.carry(order, fence)
            finally:
                self._fences.leave(order.render_id, fence)

        self._under_way = self._threads.submit(carry)
        return self._under_way

    def replace(self, reason: str) -> None:
        """Wait no more for what it does, and have it end the process that does it.

        After a fault that it has told itself, it has done so: an order that comes late would end
        the process of the next segment.
        """
        if not self._is_up:
            return
        self._is_up = False
        hangs = self._under_way is not None and not self._under_way.done()
        if hangs and self._peer.why is None:
            logger.warning("the process of worker %s is replaced: %s", self.name, reason)
            self._link.order(self._peer, remote.replace_studio, reason)
        self._carrier.give_up(reason)
        self._carrier = self._new_carrier()

    def rest(self) -> None:
        """Have it end the process that renders, which has nothing to do."""
        if self.is_up:
            self._link.order(self._peer, remote.replace_studio, "there is nothing to do for long")
            self._carrier = self._new_carrier()
        self._is_up = False

    def stop(self) -> None:
        """Wait no more for it; what it holds is at home."""
        self._is_up = False

    def _new_carrier(self) -> Carrier:
        call: Callable[..., Future[Any]] = partial(self._link.submit, self._peer)
        return Carrier(call, self._weights, lambda: len(self._link.peers))


class ClusterFleet:
    """The workers that the scheduler knows now."""

    def __init__(self, link: Link, weights: WeightSource, state: Path) -> None:
        """`state` is the daemon's own folder, where frozen pictures lie."""
        self._link = link
        self._needs = Needs(state)
        self._weights = weights
        self._fences = Fences()
        self._threads = ThreadPoolExecutor(MOST_WORKERS, thread_name_prefix="carrier")
        self._workers: dict[Peer, RemoteWorker] = {}
        self._has_stopped = False
        self._last_fault: str | None = None

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect; `changed` is told when others are there. Does not wait."""
        self._link.start(changed)

    @property
    def fault(self) -> str | None:
        """Why no worker can be asked for anything, in words; after the stop, as it was before."""
        if self._has_stopped:
            return self._last_fault
        if self._link.fault is not None:
            return self._link.fault
        return None if self._link.peers else NOBODY

    def workers(self) -> Sequence[RemoteWorker]:
        """Return the workers, each the same object as long as it is registered; fast ones first.

        They are asked in this order, so the fast ones get the most urgent renders.
        """
        peers = sorted(self._link.peers.values(), key=_pace)[:MOST_WORKERS]
        self._workers = {
            peer: self._workers.get(peer)
            or RemoteWorker(
                self._link, peer, self._weights, self._fences, self._threads, self._can_do
            )
            for peer in peers
        }
        return list(self._workers.values())

    def prove(self) -> Sequence[Future[str]]:
        """Return nothing to wait for: workers of other machines come and go."""
        return ()

    def _can_do(self, capability: Capability, spec: str, work: Path) -> bool:
        others = [peer.capability for peer in self._link.peers.values()]
        return self._needs.can_do(capability, spec, work, others)

    def stop(self) -> None:
        """End the connection; what workers are doing, nobody waits for any more."""
        self._last_fault, self._has_stopped = self.fault, True
        self._weights.stop()
        self._link.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)


def _pace(peer: Peer) -> tuple[float, str]:
    return means_of(peer.capability).seconds_per_pixel, peer.name
