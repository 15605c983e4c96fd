"""`atelierd cluster`: what a cluster of several machines needs beside its workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from atelierd.cli.packages import needing_cluster_packages
from atelierd.cli.terminal import plain, say, stdout

#: The port of a dask scheduler.
PORT = 8786

InsecureOption = Annotated[
    bool,
    typer.Option(
        "--insecure",
        help="Do without TLS: whoever reaches the cluster may run what he likes on its machines.",
    ),
]
CertificatesOption = Annotated[
    Path | None,
    typer.Option(
        "--certificates",
        metavar="DIR",
        help="The folder with this machine's certificate, made by `atelierd cluster init`.",
        show_default=False,
    ),
]

app = typer.Typer(help="Several machines: certificates and the scheduler.", no_args_is_help=True)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where they go.")],
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A machine's name or address, for its certificate to name it."
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long the certificates are good.")
    ] = 825,
) -> None:
    """Make the certificates of a cluster, or renew them: for the scheduler, workers and the daemon.

    Copy each folder to its machines, and keep ca.key where it is. Run again, it renews the
    certificates; those that are out there stay good until they end.
    """
    with needing_cluster_packages():
        from atelierd.cluster.certificates import AUTHORITY, make

        made = make(folder, host or (), timedelta(days=days), datetime.now(UTC))
    what = "made" if made.new_authority else f"renewed by {folder / AUTHORITY}"
    say(stdout(), plain(f"certificates {what}, good until {made.until:%Y-%m-%d}:", 4_096))
    for one in made.folders:
        say(stdout(), plain(f"  {one}", 4_096))


@app.command()
def scheduler(
    certificates: CertificatesOption = None,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Listen there alone; left out, everywhere.", show_default=False
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen at this port.")] = PORT,
    insecure: InsecureOption = False,
) -> None:
    """Run the scheduler that daemon and workers meet at, until a signal."""
    import asyncio

    from atelierd.cli.logs import handler_of, log_to

    log_to(handler_of("auto"))
    with needing_cluster_packages():
        from atelierd.cluster.scheduling import serve_scheduler
        from atelierd.cluster.security import security_of
        from atelierd.cluster.stopping import until_signal

    security = security_of(certificates, insecure=insecure)
    asyncio.run(until_signal(lambda stop: serve_scheduler(security, host, port, stop)))
