"""TLS both ways, as dask wants to be told of it: everyone shows a certificate of the cluster's own.

What it protects from: strangers, who can neither connect nor be connected to, and listeners. What
it does not: whoever has a worker's or the scheduler's key may run what he likes on every machine
of the cluster, for that is what a cluster is for.
"""

from __future__ import annotations

import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from distributed.security import Security

from atelierd.cluster.certificates import AUTHORITY, CERTIFICATE, KEY, end_of
from atelierd.errors import ConfigError

logger = logging.getLogger(__name__)

#: How long before a certificate's end that is told.
TOLD_BEFORE = timedelta(days=30)


def security_of(folder: Path | None, *, insecure: bool) -> Security:
    """Return what a part of the cluster connects and listens with: the certificate in `folder`.

    `insecure`, in so many words, does without. Raises ConfigError if a file is not there or its
    time is over.
    """
    if insecure:
        logger.warning(
            "insecure: the cluster talks without TLS; whoever reaches it may run what he likes on "
            "its machines and see every picture"
        )
        return Security(require_encryption=False)
    if folder is None:
        raise ConfigError("a cluster needs certificates; `atelierd cluster init` makes them")
    files = {name: folder / name for name in (AUTHORITY, CERTIFICATE, KEY)}
    for path in files.values():
        if not path.is_file():
            raise ConfigError(
                f"{path}: there is no such file; give this machine one of the folders that "
                "`atelierd cluster init` made"
            )
    _see_to_its_end(files[CERTIFICATE])
    if files[KEY].stat().st_mode & 0o077:
        logger.warning("%s can be read by others; chmod 600 makes it its owner's", files[KEY])
    certificate, key = str(files[CERTIFICATE]), str(files[KEY])
    security = Security(
        require_encryption=True,
        tls_ca_file=str(files[AUTHORITY]),
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        **{f"tls_{role}_cert": certificate for role in ("client", "scheduler", "worker")},
        **{f"tls_{role}_key": key for role in ("client", "scheduler", "worker")},
    )
    try:
        security.get_connection_args("client")
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"{folder}: the certificate cannot be used: {error}") from error
    return security


def _see_to_its_end(certificate: Path) -> None:
    end, now = end_of(certificate), datetime.now(UTC)
    advice = "`atelierd cluster init`, run again where it was made, renews it"
    if end <= now:
        raise ConfigError(f"{certificate}: ended on {end:%Y-%m-%d}; {advice}")
    if end - now < TOLD_BEFORE:
        logger.warning("%s ends on %s; %s", certificate, f"{end:%Y-%m-%d}", advice)
