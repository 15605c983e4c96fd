"""The configuration's section about a cluster of workers on other machines."""

from __future__ import annotations

from pathlib import Path

from atelierd.configvalues import Section

#: How an executor beyond this machine is written.
DASK = "dask://"
#: What `executor` may be.
EXECUTOR = r"^(local|dask://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5})$"


class ClusterSettings(Section):
    """Who may work with this daemon, where `executor` names a scheduler."""

    certificates: Path | None = None
    """The folder with this machine's certificate, made by `atelierd cluster init`."""
    insecure: bool = False
    """`true` does without TLS: whoever reaches the scheduler runs anything on every machine."""


def scheduler_address(executor: str, settings: ClusterSettings) -> str | None:
    """Return the scheduler's address as dask writes it; None where renders stay on this machine."""
    if not executor.startswith(DASK):
        return None
    return f"{'tcp' if settings.insecure else 'tls'}://{executor.removeprefix(DASK)}"
