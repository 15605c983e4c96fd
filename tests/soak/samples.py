"""What a process takes at a moment, and whether it takes more and more."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

#: Growth after the warm-up that is no longer flat; in a short soak, caches still fill.
MOST_GROWTH, MOST_GROWTH_WHEN_SHORT = 0.10, 0.30
#: Samples whose median counts as one reading: one page more or less in a moment is no growth.
SMOOTHED = 5


@dataclass(frozen=True)
class Sample:
    """What a process takes at one moment; sizes in bytes."""

    second: float
    """Since the soak began."""
    rss: int
    pss: int
    uss: int
    descriptors: int
    threads: int
    workers: int
    """Worker processes that it had at the time: each takes some descriptors and a thread."""


def take(process: psutil.Process, second: float, workers: int) -> Sample:
    """Return a sample of a process. Raises psutil.Error."""
    memory = process.memory_full_info()
    with process.oneshot():
        return Sample(
            second=round(second, 1),
            rss=memory.rss,
            pss=memory.pss,
            uss=memory.uss,
            descriptors=process.num_fds(),
            threads=process.num_threads(),
            workers=workers,
        )


def descriptors(pid: int) -> dict[str, int]:
    """Return what the open descriptors of a process lead to, by kind, and how many there are."""
    kinds: Counter[str] = Counter()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = str(link.readlink())
            # Pipes and sockets have a number of their own: `pipe:[1234]`.
            kinds[target.partition(":[")[0] if ":[" in target else target] += 1
    return dict(sorted(kinds.items()))


@dataclass(frozen=True)
class Rest:
    """A process with nothing to do: what it takes then can be compared with other rests."""

    samples: tuple[Sample, ...]
    descriptors: Mapping[str, int]
    """What they lead to, and how many."""

    @property
    def second(self) -> float:
        """When it was."""
        return self.samples[0].second

    def least(self, what: str) -> int:
        """Return the least that was taken of something during the rest.

        Of descriptors, those count that something uses.
        """
        least = min(int(getattr(sample, what)) for sample in self.samples)
        return least - self._kept_by_sqlite if what == "descriptors" else least

    @property
    def _kept_by_sqlite(self) -> int:
        """Descriptors of databases whose connections are closed.

        Closing one would end the locks that other connections of the process have on the file, so
        SQLite keeps it, and gives it to the next connection (os_unix.c, `UnixUnusedFd`). A
        connection that is open has one of the write-ahead log, too.
        """
        return sum(
            max(0, count - self.descriptors.get(f"{name}-wal", 0))
            for name, count in self.descriptors.items()
            if name.endswith(".sqlite")
        )


def smoothed(samples: Sequence[Sample], what: str) -> list[float]:
    """Return the running medians of one of the figures."""
    values = [float(getattr(sample, what)) for sample in samples]
    if not values:
        return []
    return [
        median(values[begin : begin + SMOOTHED])
        for begin in range(max(1, len(values) - SMOOTHED + 1))
    ]


def growth(samples: Sequence[Sample], warm_up: float, what: str) -> float:
    """Return how far a figure has risen, at most, over what it was at the end of the warm-up.

    `warm_up`: in seconds from the beginning of the soak. 0.1 is ten percent. Raises ValueError if
    there are no samples after it.
    """
    after = smoothed([sample for sample in samples if sample.second >= warm_up], what)
    if not after:
        raise ValueError("no sample was taken after the warm-up")
    return max(after) / after[0] - 1


def complaints(
    samples: Sequence[Sample],
    rests: Sequence[Rest],
    warm_up: float,
    most_growth: float = MOST_GROWTH,
) -> list[str]:
    """Return what speaks against a flat daemon, in words; nothing if nothing does.

    Memory is judged by all samples and by the rests. Descriptors and threads are compared between
    rests: with a worker, without work, they are to be the same again and again. Raises ValueError
    if there are no samples after the warm-up.
    """
    found = []
    for what in ("rss", "uss"):
        risen = growth(samples, warm_up, what)
        if risen >= most_growth:
            found.append(f"{what} has grown by {risen:.1%} after the warm-up")
    judged = [rest for rest in rests if rest.second >= warm_up]
    if len(judged) < 2:
        return [*found, f"only {len(judged)} rests after the warm-up: nothing can be compared"]
    first = judged[0]
    for rest in judged[1:]:
        minute = rest.second / 60
        for what in ("rss", "uss"):
            risen = rest.least(what) / first.least(what) - 1
            if risen >= most_growth:
                found.append(f"{what} at the rest of minute {minute:.0f}: {risen:.1%} more")
        for what in ("descriptors", "threads"):
            more = rest.least(what) - first.least(what)
            if more > 0:
                found.append(f"{more} {what} more at the rest of minute {minute:.0f}")
    return found
