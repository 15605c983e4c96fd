"""What runs inside a worker process: one studio, asked for one segment after the other.

A worker must not outlive its daemon, nor stop before it: a terminal's Ctrl-C or a service manager's
signal reaches the whole process group, but only the daemon decides when a segment ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
from multiprocessing.connection import Connection

from atelierd.dispatch.worker_log import log_into
from atelierd.errors import NodeFault
from atelierd.failpoints import failpoint
from atelierd.render.resident import EngineOptions
from atelierd.render.segment import SegmentOrder, SegmentReport, Studio

_PR_SET_PDEATHSIG = 1

_studio: Studio | None = None


def initialize(options: EngineOptions, parent: int, log: Connection, level: int) -> None:
    """Set up the process before its first segment; what it logs from `level` on goes to `log`."""
    global _studio
    log_into(log, level)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    _studio = Studio(options)
    failpoint("worker.started")


def run_segment(order: SegmentOrder) -> SegmentReport:
    """Do one segment; see `Studio.run`. Raises JobFault, NodeFault, WorldFault, OSError."""
    if _studio is None:
        raise NodeFault("the worker process was not set up")
    return _studio.run(order)


def prove_engine() -> str:
    """Load PyTorch, compute something small on the device, and return what it is.

    Raises WorldFault if the device cannot compute.
    """
    if _studio is None:
        raise NodeFault("the worker process was not set up")
    return _studio.prove()


def process_id() -> int:
    """Return the worker's process id, which also shows that it is up."""
    return os.getpid()
