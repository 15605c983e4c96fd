"""Packages that only some commands need, and what is said where they are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from atelierd.errors import ConfigError


@contextmanager
def needing_cluster_packages() -> Iterator[None]:
    """Raise ConfigError, saying what to install, where a cluster's packages are not there."""
    from atelierd.executors import NOT_INSTALLED

    try:
        yield
    except ImportError as error:
        raise ConfigError(NOT_INSTALLED) from error
