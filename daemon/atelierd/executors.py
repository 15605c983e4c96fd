"""Where segments are done: by processes on this machine, or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable

from atelierd.clustersettings import scheduler_address
from atelierd.dispatch.devices import devices_of
from atelierd.dispatch.fleet import Fleet
from atelierd.dispatch.pool import LocalFleet
from atelierd.errors import ConfigError
from atelierd.render.resident import EngineOptions
from atelierd.settings import Settings

#: What is said where the packages for a cluster are not there.
NOT_INSTALLED = (
    "a cluster needs packages that are not installed; run: pip install 'atelierd[cluster]'"
)


def open_fleet(settings: Settings, options: EngineOptions, woken: Callable[[], None]) -> Fleet:
    """Return the workers that the settings name; `woken` is told when others are there.

    Raises ConfigError if they name a cluster and its packages or certificates are not there.
    """
    address = scheduler_address(settings.executor, settings.cluster)
    if address is None:
        return LocalFleet(options, devices_of(settings.work.device))
    try:
        # Imported here: only a daemon with a cluster has, and pays for, dask.
        from atelierd.cluster.fleet import ClusterFleet
        from atelierd.cluster.link import Link
        from atelierd.cluster.security import security_of
    except ImportError as error:
        raise ConfigError(f"executor: {settings.executor}: {NOT_INSTALLED}") from error
    from atelierd.cluster.sources import Weights

    cluster = settings.cluster
    security = security_of(cluster.certificates, insecure=cluster.insecure)
    fleet = ClusterFleet(
        Link(address, security),
        Weights(settings.weights_folder, settings.weights.sources),
        settings.state,
    )
    fleet.start(woken)
    return fleet
