"""The daemon's connection to the scheduler: who is there, and having one of them do something.

All of dask runs in a thread of its own. Nobody who asks who is there waits for it; those who have
a worker do something wait for that worker.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from distributed import Client
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from distributed.security import Security

from atelierd import __version__
from atelierd.cluster.capability import RESOURCE, TOLD, Capability, read_capability
from atelierd.cluster.reaching import hush, reach, why
from atelierd.errors import AtelierError, NodeFault, WorldFault

logger = logging.getLogger(__name__)

#: Seconds between two looks at who is there, and in which one has to be answered.
LOOK_EVERY, LOOK_PATIENCE = 1.0, 10.0
#: Seconds between two tries to reach the scheduler, doubled from the first up to the last.
FIRST_RETRY, LAST_RETRY = 1.0, 30.0
#: Seconds in which a try has to come to something.
CONNECT_PATIENCE = 10.0
#: Seconds for leaving the scheduler when the daemon stops.
STOP_PATIENCE = 20.0
#: Seconds for telling a worker to give up what it does.
ORDER_PATIENCE = 10.0


@dataclass(eq=False)
class Peer:
    """A worker that is registered now; when it registers again, it is another one."""

    address: str
    name: str
    capability: Capability
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    why: AtelierError | None = None
    """What whoever waits for it is to be told, once it is gone."""


class Link:
    """A connection that is made again and again."""

    def __init__(self, scheduler: str, security: Security) -> None:
        self._scheduler = scheduler
        self._security = security
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)
        self._client: Client | None = None
        self._peers: Mapping[str, Peer] = {}
        self._fault: str | None = f"the scheduler {scheduler} has not answered yet"
        self._strangers: frozenset[str] = frozenset()
        self._dead: set[str] = set()
        """Incarnations of workers that are lost, while the scheduler may still list them."""
        self._changed: Callable[[], None] = lambda: None
        self._stopped: asyncio.Event | None = None

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect; `changed` is told when others are there, or the scheduler is gone."""
        self._changed = changed
        self._thread.start()

    def stop(self) -> None:
        """End the connection; whoever waits for a worker is told that the daemon stops."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(timeout=STOP_PATIENCE)

    @property
    def fault(self) -> str | None:
        """Why nobody can be asked for anything, in words; None if the scheduler is there."""
        return self._fault

    @property
    def peers(self) -> Mapping[str, Peer]:
        """The workers that are there, by name."""
        return self._peers

    def submit(self, peer: Peer, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a worker do something with its device.

        The future raises what the function raised; NodeFault if the worker is lost meanwhile,
        WorldFault if the scheduler is.
        """
        asked = self._submit(peer, function, arguments)
        try:
            return asyncio.run_coroutine_threadsafe(asked, self._loop)
        except RuntimeError:  # the loop has ended
            asked.close()
            future: Future[Any] = Future()
            future.set_exception(WorldFault("the daemon stops"))
            return future

    def order(self, peer: Peer, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a worker do something at once, beside what it does; do not wait for it."""
        order = self._order(peer, function, arguments)
        try:
            asyncio.run_coroutine_threadsafe(order, self._loop)
        except RuntimeError:  # the loop has ended
            order.close()

    def _run(self) -> None:
        hush()
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._keep())
        finally:
            self._loop.close()

    def _end(self) -> None:
        if self._stopped is not None:
            self._stopped.set()

    async def _keep(self) -> None:
        """Connect, look who is there, and connect again when the scheduler is gone."""
        self._stopped = stopped = asyncio.Event()
        pause = FIRST_RETRY
        while not stopped.is_set():
            try:
                await self._connect()
                pause = FIRST_RETRY
                await self._watch(stopped)
            except Exception as error:
                logger.debug("the cluster", exc_info=True)
                told = str(error) if isinstance(error, WorldFault) else why(error)
                self._lost(told if self._scheduler in told else f"{self._scheduler}: {told}")
            finally:
                await self._disconnect()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), pause)
            pause = min(2 * pause, LAST_RETRY)
        self._let_all_go(WorldFault("the daemon stops"))
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=CONNECT_PATIENCE)
            for task in late:
                task.cancel()

    async def _connect(self) -> None:
        await reach(self._scheduler, self._security, "client")
        self._client = await Client(
            self._scheduler,
            security=self._security,
            asynchronous=True,
            set_as_default=False,
            timeout=CONNECT_PATIENCE,
        )

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await asyncio.wait_for(client._close(fast=True), CONNECT_PATIENCE)

    async def _watch(self, stopped: asyncio.Event) -> None:
        """Look who is there until the scheduler is gone, or is another one."""
        scheduler = None
        while not stopped.is_set():
            client = self._client
            asked = None if client is None else client.scheduler
            if client is None or asked is None or client.status != "running":
                raise WorldFault(f"the scheduler {self._scheduler} is gone")
            found = await asyncio.wait_for(asked.identity(n_workers=-1), LOOK_PATIENCE)
            if scheduler not in (None, found["id"]):
                raise WorldFault(f"the scheduler {self._scheduler} was started anew")
            scheduler = found["id"]
            self._see(found["workers"])
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), LOOK_EVERY)

    def _see(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        before = {peer.address: peer for peer in self._peers.values()}
        peers, strangers = {}, set()
        for address, told in workers.items():
            capability = read_capability(told)
            if capability is not None and capability.incarnation in self._dead:
                continue
            if capability is None or capability.atelierd != __version__:
                strangers.add(str(told.get("name", address)))
                continue
            peer = before.get(address)
            if peer is None or peer.capability.incarnation != capability.incarnation:
                peer = Peer(address, str(told["name"]), capability)
                logger.info("worker %s is there: %s", peer.name, capability.description)
            peers[peer.name] = peer
        for stranger in strangers - self._strangers:
            logger.warning(
                "worker %s is not of atelierd %s, and gets nothing to do", stranger, __version__
            )
        self._strangers = frozenset(strangers)
        lost = set(before.values()) - set(peers.values())
        self._dead &= {str(told.get(TOLD, {}).get("incarnation")) for told in workers.values()}
        if self._fault is not None:
            logger.info("the scheduler %s is there", self._scheduler)
        is_other = peers != self._peers or self._fault is not None
        self._peers, self._fault = peers, None
        for peer in lost:
            logger.warning("worker %s is lost", peer.name)
            _let_go(peer, NodeFault(f"the worker {peer.name} was lost"))
        if is_other:
            self._changed()

    def _lost(self, reason: str) -> None:
        """Take note that the scheduler is gone, and with it everybody."""
        if reason != self._fault:
            logger.error("the cluster: %s", reason)
            self._fault = reason
            self._changed()
        self._let_all_go(WorldFault(reason))

    def _let_all_go(self, fault: WorldFault) -> None:
        peers, self._peers = self._peers, {}
        for peer in peers.values():
            _let_go(peer, fault)

    async def _submit(
        self, peer: Peer, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> Any:
        client = self._client
        if peer.why is not None:
            raise peer.why
        if client is None or client.status != "running":
            raise WorldFault(f"the scheduler {self._scheduler} is gone")
        future = client.submit(
            function,
            *arguments,
            key=f"atelierd-{uuid4().hex}",
            workers=[peer.address],
            allow_other_workers=False,
            resources={RESOURCE: 1},
            retries=0,
            pure=False,
        )
        result = asyncio.ensure_future(future.result())
        gone = asyncio.ensure_future(peer.gone.wait())
        try:
            await asyncio.wait({result, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                assert peer.why is not None
                raise peer.why
            return result.result()
        except KilledWorker as error:
            # Known before the next look: nobody is to ask it again.
            self._dead.add(peer.capability.incarnation)
            self._peers = {key: one for key, one in self._peers.items() if one is not peer}
            lost = NodeFault(f"the worker {peer.name} was lost")
            _let_go(peer, lost)
            logger.warning("worker %s is lost", peer.name)
            raise lost from error
        except (FutureCancelledError, CancelledError, CommClosedError) as error:
            raise WorldFault(f"the scheduler {self._scheduler} is gone") from error
        finally:
            gone.cancel()
            result.cancel()
            # At once: the scheduler forgets it, so that it never computes it anew.
            future.release()

    async def _order(
        self, peer: Peer, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        client = self._client
        if client is None or peer.why is not None:
            return
        with suppress(Exception):
            await asyncio.wait_for(
                client.run(function, *arguments, workers=[peer.address]), ORDER_PATIENCE
            )


def _let_go(peer: Peer, why: AtelierError) -> None:
    peer.why = why
    peer.gone.set()
