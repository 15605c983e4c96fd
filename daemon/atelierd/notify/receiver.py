"""What a courier needs of a receiver, and the two ways in which handing over can fail."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from atelierd.errors import AtelierError
from atelierd.events import Event
from atelierd.ledger.notices import Notice


class UnreachableError(AtelierError):
    """The receiver does not answer, or not as it should: try again later."""


class RefusedError(AtelierError):
    """The receiver will not have this notice, however often it is brought."""


class Receiver(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str:
        """What the ledger knows it by; the same at every start."""

    @property
    def label(self) -> str:
        """What people know it by; no secret is in it."""

    @property
    def events(self) -> Collection[Event]:
        """What it wants to hear of."""

    def send(self, notice: Notice) -> None:
        """Hand over one notice. Raises UnreachableError, RefusedError, both without secrets."""
