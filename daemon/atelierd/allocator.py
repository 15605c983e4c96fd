"""The C library's allocator, told how evaluations use memory, and how a daemon does for months.

An evaluation frees and asks for the same hundreds of megabytes of features every time. glibc gives
such blocks back to the kernel and gets them again page by page, cleared: measured at 300 px on a
CPU that takes 5 % of an evaluation. So freed memory stays with the process while a render runs, and
is given back where something large has been let go for good.

A daemon's process holds little, but for months: pages of text of every size come and go, in several
threads. By itself glibc gives each thread a heap of its own, and gives back only what lies free at
a heap's end: in 80 minutes of jobs, reloads and lost shares private memory grew by a seventh.
"""

from __future__ import annotations

import ctypes

#: glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
#: Blocks up to this many bytes come from the heap, which can be kept: the most that glibc allows.
_LARGEST_BLOCK = 32 * 2**20
#: Bytes that may lie free at the heap's end.
_KEPT = 2**30
#: In a daemon's process, blocks from this size on are got from the kernel and given back to it.
_SMALLEST_MAPPED = 128 * 2**10


def keep_freed_memory() -> bool:
    """Have the process keep freed memory; False where the C library is not glibc."""
    library = _glibc()
    if library is None:
        return False
    done: int = library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
    done &= library.mallopt(_M_TRIM_THRESHOLD, _KEPT)
    return bool(done)


def share_one_heap() -> bool:
    """Have all threads that begin from now on use one heap; False where the C library is not glibc.

    For a process whose threads seldom ask for memory at the same time, as Python's do.
    """
    library = _glibc()
    if library is None:
        return False
    done: int = library.mallopt(_M_ARENA_MAX, 1)
    done &= library.mallopt(_M_MMAP_THRESHOLD, _SMALLEST_MAPPED)
    return bool(done)


def give_back_freed_memory() -> None:
    """Give the kernel back what is free now."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
