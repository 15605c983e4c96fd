"""The only record of state: jobs, renders and attempts in SQLite on a local disk."""

from atelierd.ledger.ledger import Ledger

__all__ = ["Ledger"]
