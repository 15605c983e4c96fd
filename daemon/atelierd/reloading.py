"""Taking up a changed configuration while the daemon runs (SIGHUP).

Nothing is interrupted by it. What a daemon is built around, such as its folders and its device,
stays as it was until a restart, and the log says so. A file that is wrong changes nothing at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from atelierd import systemd
from atelierd.errors import ConfigError
from atelierd.settings import Settings
from atelierd.signals import ReloadSignal

logger = logging.getLogger(__name__)

#: What takes effect at once: keys, and sections with all their keys. The others take a restart.
AT_ONCE = frozenset(
    {
        "share",
        "schedule",
        "work.segment",
        "work.attempts",
        "work.hang_after",
        "work.keep_inputs",
        "retention",
        "notify",
        "morning_report",
        "max_renders",
        "max_pixels",
        "log",
    }
)


@dataclass(frozen=True)
class Change:
    """What a changed configuration comes to for a daemon that runs."""

    settings: Settings
    """What holds from now on: the new values where they take effect at once, else the old ones."""
    now: tuple[str, ...]
    """The keys that have changed and take effect at once."""
    later: tuple[str, ...]
    """The keys that have changed and take a restart."""


def change_of(old: Settings, new: Settings) -> Change:
    """Compare the settings that hold with those that the file has now."""
    changed = list(_differing(old, new))
    now = [key for key in changed if key in AT_ONCE or key.partition(".")[0] in AT_ONCE]
    settings = old
    for key in now:
        section, _, name = key.partition(".")
        value = getattr(new, section)
        if name:
            part = getattr(settings, section)
            value = part.model_copy(update={name: getattr(value, name)})
        settings = settings.model_copy(update={section: value})
    return Change(settings, tuple(now), tuple(key for key in changed if key not in now))


def _differing(old: BaseModel, new: BaseModel, prefix: str = "") -> Iterator[str]:
    """Give the keys whose values differ; those of a section in a section count as one."""
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, BaseModel) and isinstance(after, BaseModel) and not prefix:
            yield from _differing(before, after, f"{name}.")
        else:
            yield prefix + name


class Reloader:
    """Reads the configuration again when the daemon is told to."""

    def __init__(
        self,
        signal: ReloadSignal,
        read: Callable[[], Settings],
        adopt: Callable[[Settings], None],
        is_up: Callable[[], bool] = lambda: True,
    ) -> None:
        """`read` returns what the file says now, `adopt` has the daemon work by it.

        Both may raise ConfigError; `adopt` has then changed nothing. Before the daemon `is_up`, the
        service manager hears nothing of it: the end of a reload says that it is.
        """
        self._is_up = is_up
        self._signal = signal
        self._due = False
        self._read = read
        self._adopt = adopt
        self.fault: str | None = None
        """Why the file as it is now is not worked by, in words; None if it is."""

    def turn(self, settings: Settings) -> None:
        """Take up what has changed, if the daemon was told to; `settings` hold so far.

        Raises WorldFault if the ledger's disk fails; then it is done at the next turn.
        """
        self._due |= self._signal.take()
        if not self._due:
            return
        is_up = self._is_up()
        if is_up:
            systemd.notify(reloading=True)
        try:
            self._reload(settings)
        finally:
            if is_up:
                systemd.notify(ready=True)

    def _reload(self, settings: Settings) -> None:
        try:
            change = change_of(settings, self._read())
            self._adopt(change.settings)
        except (ConfigError, OSError) as error:
            logger.error(
                "the configuration was read again and is not used, for it is wrong; the daemon "
                "goes on as before: %s",
                error,
            )
            self.fault, self._due = str(error), False
            return
        self.fault, self._due = None, False
        now = ", ".join(change.now)
        logger.info("the configuration was read again; %s", f"changed: {now}" if now else "as was")
        if change.later:
            logger.warning(
                "%s: changed in the configuration, too, but taken up only by a restart; until "
                "then what was there at the start holds",
                ", ".join(change.later),
            )
