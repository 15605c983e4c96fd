"""How long the CNTK server may take before it counts as hung."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Patience:
    """Deadlines, generous ones: a busy machine must not look like a hung server."""

    #: For importing cntk, choosing the device and taking the weights.
    start: timedelta = timedelta(minutes=3)
    #: No request has a shorter deadline than this.
    least: timedelta = timedelta(minutes=1)
    #: For an evaluation before one was measured; two cores need about 55 s a megapixel.
    per_megapixel: timedelta = timedelta(minutes=30)
    #: An evaluation may take this many times as long, per pixel, as the slowest one so far.
    factor: float = 20.0

    def seconds(self, pixels: int, slowest: float | None) -> float:
        """Return the seconds for work on `pixels`, given the slowest one's seconds per pixel."""
        least = self.least.total_seconds()
        if slowest is None:
            return least + self.per_megapixel.total_seconds() * pixels / 1e6
        return max(least, self.factor * slowest * pixels)
