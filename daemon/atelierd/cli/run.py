"""`atelierd run`: the daemon itself."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from atelierd.cli.configuration import ConfigOption, find_config, read_config
from atelierd.cli.options import HttpOption, with_http
from atelierd.cli.terminal import is_live, stderr

if TYPE_CHECKING:
    from atelierd.settings import Settings


class LogForm(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"
    JOURNALD = "journald"


def run(
    config: ConfigOption = None,
    drain: Annotated[
        bool, typer.Option("--drain", help="Stop when inbox and queue are empty.")
    ] = False,
    log: Annotated[
        LogForm | None,
        typer.Option(
            help="Log lines for people, one JSON object a line, or entries of the journal with "
            "fields; auto is journald under systemd, else text. Left out, as the configuration "
            "says. On a terminal, text comes with a display of what is being done.",
            show_default=False,
        ),
    ] = None,
    http: HttpOption = None,
) -> None:
    """Watch the inbox and render what is dropped there, until a signal.

    SIGTERM or Ctrl-C stops at the next iteration, with a checkpoint; a second one stops now.
    SIGHUP has the configuration read again.
    """
    import faulthandler
    import logging
    import sys

    from atelierd import systemd
    from atelierd.cli.board import Board
    from atelierd.cli.logs import ConsoleHandler, chosen_form, handler_of, log_to
    from atelierd.service import Service

    if systemd.is_asked() and sys.__stderr__ is not None:
        # Its watchdog ends a daemon that hangs: the log then says where each thread was.
        faulthandler.enable(sys.__stderr__)
    place = find_config(config)
    settings = with_http(read_config(place), http)
    form = chosen_form(log or settings.log)
    console = stderr()
    live = form == LogForm.TEXT and is_live(console)
    log_to(ConsoleHandler(console) if live else handler_of(form))
    if config is None:
        logging.getLogger(__name__).info("configuration: %s", place)

    def reread() -> Settings:
        return with_http(read_config(place), http)

    def adopted(changed: Settings) -> None:
        log_to(handler_of(log or changed.log))

    if not live:
        raise typer.Exit(Service(settings, drain=drain, reread=reread, adopted=adopted).run())
    with Board(console, settings) as board:
        code = Service(settings, drain=drain, watcher=board.watch, reread=reread).run()
    raise typer.Exit(code)
