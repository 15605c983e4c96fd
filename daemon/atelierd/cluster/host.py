"""A worker's connection to the scheduler, made again for as long as the worker lives.

dask's own worker ends when its scheduler is gone. The bench, its process and all that it has
loaded stay, and serve under the next connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import dask
from distributed import Worker
from distributed.core import Status
from distributed.security import Security

from atelierd.cluster import remote
from atelierd.cluster.bench import Bench
from atelierd.cluster.capability import RESOURCE, TOLD, Capability
from atelierd.cluster.reaching import hush, reach, why
from atelierd.errors import WorldFault

logger = logging.getLogger(__name__)

#: Seconds between two tries to reach the scheduler, doubled from the first up to the last.
FIRST_RETRY, LAST_RETRY = 1.0, 30.0
#: Seconds in which a try has to come to something.
CONNECT_PATIENCE = 20.0
#: What dask is told: nothing of a worker is served over HTTP but on the machine itself, and there
#: is nothing to look at.
SETTINGS: dict[str, Any] = {
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.worker.daemon": False,
}
LOCAL_ONLY = "127.0.0.1:0"


class Host:
    """Keeps a bench registered with a scheduler."""

    def __init__(
        self,
        scheduler: str,
        security: Security,
        bench: Bench,
        capability: Callable[[], Capability],
        *,
        name: str,
        listen: str | None,
    ) -> None:
        """`listen` is the address that others reach this machine at; None lets dask find it."""
        self._scheduler = scheduler
        self._security = security
        self._bench = bench
        self._capability = capability
        self._name = name
        self._listen = listen
        self._fault: str | None = None

    async def serve(self, stop: asyncio.Event) -> None:
        """Stay registered until `stop` is set."""
        hush()
        remote.open_bench(self._bench)
        pause = FIRST_RETRY
        with dask.config.set(SETTINGS):
            while not stop.is_set():
                if await self._one(stop):
                    pause = FIRST_RETRY
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause)
                pause = min(2 * pause, LAST_RETRY)

    async def _one(self, stop: asyncio.Event) -> bool:
        """Stay registered until the connection ends; return whether there was one."""
        try:
            await reach(self._scheduler, self._security, "worker")
            worker = await self._worker()
        except Exception as error:  # noqa: BLE001 - dask wraps whatever it meets
            self._tell(str(error) if isinstance(error, WorldFault) else why(error))
            return False
        self._fault = None
        logger.info("%s is registered with %s as %s", self._name, self._scheduler, worker.address)
        ending = asyncio.ensure_future(stop.wait())
        finished = asyncio.ensure_future(worker.finished())
        try:
            await asyncio.wait({ending, finished}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                logger.warning("the scheduler %s is gone; trying again", self._scheduler)
            return True
        finally:
            ending.cancel()
            finished.cancel()
            if worker.status not in (Status.closed, Status.failed):
                await worker.close(timeout=2, executor_wait=False, reason="the worker ends")

    def _worker(self) -> Worker:
        told = self._capability().model_copy(update={"incarnation": uuid4().hex})
        return Worker(
            self._scheduler,
            nthreads=1,
            name=self._name,
            resources={RESOURCE: 1},
            memory_limit=0,
            security=self._security,
            host=self._listen,
            dashboard=False,
            dashboard_address=LOCAL_ONLY,
            death_timeout=CONNECT_PATIENCE,
            startup_information={TOLD: lambda _: told.model_dump(mode="json")},
        )

    def _tell(self, words: str) -> None:
        if words != self._fault:
            logger.error("not registered: %s; trying again", words)
        self._fault = words
