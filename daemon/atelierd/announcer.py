"""Saying what the daemon does to those outside: terminal, service manager, other commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from atelierd import systemd
from atelierd.dispatch.dispatcher import Working
from atelierd.trouble import CONFIG_TROUBLE, TroubleFile
from atelierd.wording import shown


@dataclass(frozen=True)
class Glance:
    """What the daemon is doing, for a terminal or a service manager."""

    working: tuple[Working, ...]
    queued: int
    waiting: tuple[str, ...]
    trouble: tuple[str, ...]
    resting: str = ""
    """In words that all of the queue waits for its hours; empty if it does not."""
    config_fault: str | None = None
    """Why the configuration as its file is now is not worked by; None if it is."""


class Announcer:
    """Passes glances on: all of them to `watcher`, what has changed to the others."""

    def __init__(self, state: Path, watcher: Callable[[Glance], None]) -> None:
        self._watcher = watcher
        self._trouble_file = TroubleFile(state)
        self._config_file = TroubleFile(state, CONFIG_TROUBLE)
        self._glance = Glance((), 0, (), ())
        self._hanging: str | None = None
        self._status = ""

    def announce(self, glance: Glance) -> None:
        """Say what the daemon is doing now."""
        self._glance = glance
        self._pass_on()

    def trouble(self, trouble: tuple[str, ...]) -> None:
        """Say that this is all that is known now: the rest cannot even be looked up."""
        self.announce(replace(self._glance, trouble=trouble))

    def hangs(self, what: str | None) -> None:
        """Say what the daemon's loop hangs on, from another thread; None when it goes on."""
        self._hanging = what
        self._pass_on()

    def _pass_on(self) -> None:
        glance = self._glance
        if self._hanging is not None:
            glance = replace(glance, trouble=(self._hanging, *glance.trouble))
        self._watcher(glance)
        self._trouble_file.say(glance.trouble)
        self._config_file.say(() if glance.config_fault is None else (glance.config_fault,))
        status = _status(glance)
        if status != self._status:
            self._status = status
            systemd.notify(status=status)


def _status(glance: Glance) -> str:
    if glance.trouble:
        return f"waits: {glance.trouble[0]}"
    if glance.config_fault is not None:
        doing = _work(glance)
        return f"{doing}; the changed configuration is not used: {glance.config_fault}"
    return _work(glance)


def _work(glance: Glance) -> str:
    if not glance.working:
        return glance.resting or "idle"
    first, *others = glance.working
    more = f"; and {len(others)} more" if others else ""
    return f"{_doing(first)}{more}"


def _doing(working: Working) -> str:
    job, render, report = working.job, working.render, working.report
    far = f", iteration {report.iteration} of {report.iterations}" if report else ""
    return f"{shown(job.folder)}: {shown(render.title)}{far}"
