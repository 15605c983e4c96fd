"""The scheduler: it passes errands on to workers, and chooses nothing.

Which render goes where, and what becomes of one whose worker is lost, the daemon decides: nothing
is tried again here, and nothing is moved.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import dask
from distributed import Scheduler
from distributed.security import Security

from atelierd.cluster.host import LOCAL_ONLY
from atelierd.cluster.reaching import hush

logger = logging.getLogger(__name__)

#: How long a worker may be silent until it counts as lost.
WORKER_SILENCE = timedelta(seconds=60)
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
}


async def serve_scheduler(
    security: Security, host: str | None, port: int, stop: asyncio.Event
) -> None:
    """Run a scheduler until `stop` is set. Raises OSError if it cannot listen there."""
    hush()
    with dask.config.set(SETTINGS):
        async with Scheduler(
            host=host,
            port=port,
            protocol="tls" if security.require_encryption else "tcp",
            security=security,
            dashboard=False,
            dashboard_address=LOCAL_ONLY,
            allowed_failures=0,
            worker_ttl=WORKER_SILENCE.total_seconds(),
        ) as scheduler:
            logger.info("the scheduler listens at %s", scheduler.address)
            await stop.wait()
