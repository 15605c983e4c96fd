"""From a file that appears on the share to a job in the ledger: watch, readiness, acceptance."""
