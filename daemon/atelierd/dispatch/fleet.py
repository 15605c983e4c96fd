"""The seam between dispatch and whatever computes: workers, and the fleet that they make up."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from atelierd.render.segment import SegmentOrder, SegmentReport


class Worker(Protocol):
    """Does one segment at a time, on one device, and keeps the live render in between."""

    @property
    def name(self) -> str:
        """What people know it by: its device, or the machine that it is on."""

    @property
    def is_up(self) -> bool:
        """Whether it may hold a live render: it was started, and neither replaced nor stopped."""

    @property
    def killed_for_memory(self) -> bool:
        """Whether it can have died because its machine ran out of memory."""

    def takes(self, spec: str, work: Path) -> bool:
        """Whether it can do the FrozenRender `spec` (JSON), begun in the folder `work` or not."""

    def start(self) -> int:
        """Return the process id of the running worker, started if need be. Raises NodeFault."""

    def submit(self, order: SegmentOrder) -> Future[SegmentReport]:
        """Have it do a segment. Raises NodeFault if it cannot be started."""

    def replace(self, reason: str) -> None:
        """End it, whatever it does; the next segment starts a new one."""

    def rest(self) -> None:
        """Give the memory of its device back, unless it has still to show that it computes.

        It is idle; the next segment starts it anew.
        """

    def stop(self) -> None:
        """End it when it has done what it was asked for."""


class Fleet(Protocol):
    """The workers that there are now. Nothing here waits."""

    @property
    def fault(self) -> str | None:
        """Why there are fewer workers than there should be, in words; None if there are all."""

    def workers(self) -> Sequence[Worker]:
        """Return the workers, each the same object as long as it lives."""

    def prove(self) -> Sequence[Future[str]]:
        """Have workers of this machine show that their engines compute; what they say is for logs.

        Raises NodeFault if one does not start.
        """

    def stop(self) -> None:
        """End all of them, and what connects to them."""
