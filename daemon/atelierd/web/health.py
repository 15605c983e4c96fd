"""Whether the daemon does its work, in words, for whoever looks after it."""

from __future__ import annotations

from datetime import UTC, datetime

from atelierd.inbox.owner import Owner, daemon_of
from atelierd.settings import Settings
from atelierd.trouble import read_trouble
from atelierd.web.sharefacts import ShareFacts


def daemon_here(settings: Settings) -> Owner | None:
    """Return the daemon that runs with this state folder, None if none does, or none is seen."""
    try:
        return daemon_of(settings.state, datetime.now(UTC))
    except OSError:
        return None


def reasons_against(settings: Settings, share: ShareFacts) -> list[str]:
    """Return why no work is done, or can be done; nothing where all is well."""
    reasons = []
    if daemon_here(settings) is None:
        reasons.append("the daemon is not running; start it with `atelierd run`")
    else:
        reasons += read_trouble(settings.state)
    if not share.answers:
        reasons.append(f"the share does not answer: {settings.inbox}, {settings.outbox}")
    return list(dict.fromkeys([*reasons, *share.troubles.values()]))
