"""The machine's own memory: what this process may take of it, and what it has taken."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path

import psutil

from atelierd.engines.base import Engine, Memory

_STATUS = Path("/proc/self/status")
#: Writing 5 there resets VmHWM, the most resident bytes that the process has had (proc(5)).
_CLEAR_REFS = Path("/proc/self/clear_refs")
_VMSTAT = Path("/proc/vmstat")


class MachineMemory:
    """The machine's memory, within the process's control group."""

    def available(self) -> int:
        """Return the bytes that this process may take, those that it has already included."""
        free: int = psutil.virtual_memory().available
        taken = self.taken()
        within = _left_in_control_groups(taken)
        return min(free + taken, within) if within is not None else free + taken

    def taken(self) -> int:
        """Return the resident bytes of this process."""
        return int(psutil.Process().memory_info().rss)

    def peak(self) -> int:
        """Return the most resident bytes that the process has had since `forget_peak`."""
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        peak = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
        return int(peak) * 1024 if peak is not None else self.taken()

    def forget_peak(self) -> None:
        """Give back what is not in use, and begin anew with the peak where the kernel lets us."""
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)
        with contextlib.suppress(OSError):
            _CLEAR_REFS.write_text("5", encoding="ascii")


def memory_of(engine: Engine) -> Memory:
    """Return the memory that `engine` computes in."""
    return engine.memory() or MachineMemory()


def kernel_kills() -> int:
    """Return how many processes the kernel has ended since it started, for memory ran out.

    Zero where it does not say.
    """
    try:
        lines = _VMSTAT.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _left_in_control_groups(
    taken: int, group: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Return the bytes that this process, which has `taken` some, may have in its control groups.

    A service manager limits the service's own group, a container one above; what other processes
    of a group hold, the daemon and the workers of other devices, is gone from its limit. None
    where nothing is limited.
    """
    try:
        lines = group.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    left = []
    for folder in (root / own, *(root / own).parents):
        if folder.is_relative_to(root):
            with contextlib.suppress(OSError, ValueError):  # `max` is no number
                limit = int((folder / "memory.max").read_text(encoding="ascii"))
                left.append(limit - max(0, _held_in(folder) - taken))
    return max(0, min(left)) if left else None


def _held_in(folder: Path) -> int:
    """Return the bytes that the processes of a control group hold, without caches of files."""
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("anon ", "shmem ")))
