"""`atelierd worker`: this machine's device, for a daemon on another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from atelierd.cli.cluster import CertificatesOption, InsecureOption
from atelierd.cli.configuration import ConfigOption, surroundings
from atelierd.cli.packages import needing_cluster_packages

#: The folder, in the state folder, of what workers are sent; one below it for each.
FOLDER = "workers"


def worker(
    scheduler: Annotated[
        str,
        typer.Option(metavar="tls://HOST:PORT", help="The scheduler to register with."),
    ],
    certificates: CertificatesOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="auto, cpu, cuda or cuda:N; left out, as the configuration says.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What people know it by; left out, the machine's name and the device.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads on a CPU; left out, as the configuration says, or one for each core.",
            show_default=False,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where it keeps what it is sent; left out, `workers/NAME` in the state folder.",
            show_default=False,
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="This machine's address as the scheduler reaches it; left out, it is found.",
            show_default=False,
        ),
    ] = None,
    insecure: InsecureOption = False,
    config: ConfigOption = None,
) -> None:
    """Render for a daemon on another machine, until a signal: one process for each device.

    It needs no share and no configuration: what a render takes is sent. Run `atelierd benchmark`
    here first, and the daemon knows how fast and how large this machine is.
    """
    import asyncio
    import re
    import socket

    from atelierd.cli.logs import handler_of, log_to

    log_to(handler_of("auto"))
    scheme = "tcp" if insecure else "tls"
    if re.fullmatch(rf"{scheme}://.+:\d+", scheduler) is None:
        raise typer.BadParameter(
            f"found {scheduler!r}; expected {scheme}://HOST:PORT"
            + ("" if insecure else ", or tcp:// and --insecure"),
            param_hint="--scheduler",
        )
    with needing_cluster_packages():
        from atelierd.cluster.host import Host
        from atelierd.cluster.security import security_of
        from atelierd.cluster.stopping import until_signal
    from atelierd.cli.workbench import bench_in, capability_of

    here = surroundings(config)
    security = security_of(certificates, insecure=insecure)
    options = here.engine_options
    options = replace(options, device=device or options.device, threads=threads or options.threads)
    capability = capability_of(here, options.device, options.threads)
    known_by = name or f"{socket.gethostname()}-{capability.device.replace(':', '')}"
    kept = folder or here.state / FOLDER / re.sub(r"[^A-Za-z0-9._-]", "-", known_by)
    with bench_in(kept, here, options, known_by) as bench:
        host = Host(scheduler, security, bench, lambda: capability, name=known_by, listen=listen)
        asyncio.run(until_signal(host.serve))
