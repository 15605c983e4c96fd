"""What became of a segment: a report, or one of the three kinds of fault (rule 17)."""

from __future__ import annotations

import logging
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from atelierd.errors import (
    JobFault,
    LackingFault,
    NodeFault,
    OutOfMemoryFault,
    WeightsError,
    WorldFault,
)
from atelierd.render.segment import SegmentReport
from atelierd.worldfaults import as_world_fault

logger = logging.getLogger(__name__)


def outcome_of(
    future: Future[SegmentReport], state: Path, *, killed_for_memory: bool = False
) -> SegmentReport | JobFault | NodeFault | WorldFault:
    """Return what a segment that has ended came to; `state` is the folder that it wrote to.

    `killed_for_memory` says that the kernel has ended processes meanwhile because memory ran out:
    then a worker that has died was one of them.

    An error that is no fault of atelierd's own making counts as the node's: a new worker process
    may do better, and after enough attempts the render fails with these words.
    """
    try:
        return future.result()
    except (JobFault, NodeFault, WorldFault) as fault:
        return fault
    except WeightsError as error:
        # Without its weights no job can be rendered: that is nobody's job's fault.
        return LackingFault(str(error))
    except OSError as error:
        return _of_os_error(error, state)
    except CancelledError:
        return NodeFault("the worker process was replaced before it began")
    except MemoryError:
        return OutOfMemoryFault("the machine ran out of memory")
    except BrokenProcessPool:
        if killed_for_memory:
            return OutOfMemoryFault("the kernel ended the worker process, for memory ran out")
        return NodeFault("the worker process died")
    except Exception as error:
        logger.exception("the worker failed in a way that is not foreseen")
        return NodeFault(f"the worker failed: {type(error).__name__}: {error}")


def _of_os_error(error: OSError, state: Path) -> NodeFault | WorldFault:
    try:
        with as_world_fault(error.filename or state):
            raise error
    except WorldFault as fault:
        return fault
    except OSError:
        return NodeFault(f"the worker met an error: {error}")
