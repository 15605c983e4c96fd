"""What can go wrong between a caller and the ledger, apart from faults of the disk."""

from __future__ import annotations

from atelierd.errors import AtelierError


class IllegalTransitionError(AtelierError):
    """A state was asked to become one that `ledger.states` does not allow: a bug of the caller."""


class UnknownJobError(AtelierError):
    """No job, or more than one, answers to the name that was given."""


class ActionRefusedError(AtelierError):
    """A person asked for something that the job's state does not allow; the message says why."""
