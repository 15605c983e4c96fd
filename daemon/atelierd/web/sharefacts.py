"""What can be learned about the share by asking it, which may take as long as its server likes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

from atelierd.errors import WorldFault
from atelierd.outbox import layout
from atelierd.settings import Settings
from atelierd.share import Role, check_share
from atelierd.web.files import NotServedError, open_file

_LONGEST_STATUS = 1 << 22


@dataclass(frozen=True)
class ShareFacts:
    """A share as it is at one moment; as it stands here, one that does not answer."""

    #: What is wrong with a folder, in words; nothing of one that is well.
    troubles: Mapping[Role, str] = field(default_factory=dict)
    answers: bool = False
    #: Bytes of the outbox's disk that are free.
    free: int | None = None
    #: Job files in the inbox that cannot be accepted yet, as the daemon has told.
    waiting: int | None = None

    def is_well(self, role: Role) -> bool:
        """Whether the inbox or the outbox can be used."""
        return self.answers and role not in self.troubles


def look_at(settings: Settings) -> ShareFacts:
    """Return how the share is."""
    troubles = {}
    for role, folder in ((Role.INBOX, settings.inbox), (Role.OUTBOX, settings.outbox)):
        try:
            check_share(folder, role)
        except WorldFault as fault:
            troubles[role] = str(fault)
    free = waiting = None
    if Role.OUTBOX not in troubles:
        try:
            free = shutil.disk_usage(settings.outbox).free
            waiting = _waiting(settings)
        except OSError as error:
            troubles[Role.OUTBOX] = f"{settings.outbox}: {error.strerror}"
        except WorldFault as fault:
            troubles[Role.OUTBOX] = str(fault)
    return ShareFacts(troubles, answers=True, free=free, waiting=waiting)


def _waiting(settings: Settings) -> int | None:
    try:
        with open_file(settings.outbox, layout.STATUS).file as file:
            count = json.loads(file.read(_LONGEST_STATUS))["waiting_files"]
        return count if isinstance(count, int) and not isinstance(count, bool) else None
    except (NotServedError, ValueError, KeyError, TypeError, RecursionError):
        # Not written yet, or by somebody else: anybody may write to the share.
        return None
