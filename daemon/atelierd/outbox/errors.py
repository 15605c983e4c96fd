"""What can be wrong with a job's folder while the share itself is there."""

from __future__ import annotations

from atelierd.errors import AtelierError


class FolderTakenError(AtelierError):
    """Something that is not this job's lies where its folder should be made (rule 9)."""


class FolderLostError(AtelierError):
    """A person has moved, deleted or replaced the job's folder; open it again to go on."""
