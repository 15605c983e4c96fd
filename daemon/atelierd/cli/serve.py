"""`atelierd serve`: the outbox over HTTP, beside the daemon or without one."""

from __future__ import annotations

from atelierd.cli.configuration import ConfigOption, read_config
from atelierd.cli.options import HttpOption, with_http

#: Seconds between two looks at whether a signal has come. One ends the sleep, too, but not where it
#: reached another thread: its handler runs when the main thread wakes.
_SLEEP = 1.0


def serve(http: HttpOption = None, config: ConfigOption = None) -> None:
    """Show the outbox over HTTP, live and for reading only, until a signal.

    It runs beside the daemon, or without one; `run --http` does the same within the daemon. Left
    out, the address is the configuration's, or else 127.0.0.1:8765.
    """
    from atelierd.address import LOOPBACK, PORT
    from atelierd.cli.logs import handler_of, log_to
    from atelierd.signals import StopSignals, Wake
    from atelierd.web.server import WebServer

    settings = with_http(read_config(config), http)
    if settings.http.address is None:
        settings = with_http(settings, f"{LOOPBACK}:{PORT}")
    assert settings.http.address is not None
    log_to(handler_of(settings.log))
    wake = Wake()
    signals = StopSignals(wake.set)
    server = WebServer(settings, settings.http.address)
    with signals.caught():
        server.listen()
        server.start()
        while not signals.stop:
            wake.wait(_SLEEP)
        server.stop()
