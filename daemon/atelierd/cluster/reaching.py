"""Reaching a scheduler, and saying in words why it cannot be; dask itself would wait in silence."""

from __future__ import annotations

import logging
import ssl
from typing import Literal

from distributed.comm.core import connect
from distributed.security import Security

from atelierd.errors import WorldFault

#: Seconds in which a scheduler has to answer.
PATIENCE = 10.0
#: Loggers of dask's that have handlers and levels of their own.
_CHATTY = ("distributed", "distributed.client", "distributed.gc", "bokeh", "tornado")


async def reach(scheduler: str, security: Security, role: Literal["client", "worker"]) -> None:
    """Connect to the scheduler and leave again. Raises WorldFault, with the reason in words."""
    try:
        comm = await connect(scheduler, timeout=PATIENCE, **security.get_connection_args(role))
        await comm.close()
    except Exception as error:
        raise WorldFault(f"the scheduler {scheduler} cannot be reached: {why(error)}") from error


def why(error: BaseException) -> str:
    """Return what is at the bottom of an error of dask's, in words."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not of this cluster, or its time is over ({error.verify_message})"
        )
    if isinstance(error, ssl.SSLError):
        return f"it does not take this machine's certificate ({error.reason})"
    return str(error) or type(error).__name__


def hush() -> None:
    """Have dask's warnings logged as everybody's, and nothing below."""
    for name in _CHATTY:
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    # What a segment fails of, the daemon tells.
    logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
