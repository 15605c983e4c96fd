"""Names that are nobody's job or picture: what systems and programs leave in folders (rule 5)."""

from __future__ import annotations

import re

#: Matched against the whole name, without regard to case.
_IGNORED = re.compile(
    r"\..*"  # hidden files; with them .nfs*, .smbdelete*, ._*, .DS_Store
    r"|~.*|.*~"  # editors' and Office's copies and locks
    r"|.*\.(part|partial|tmp|crdownload|download|filepart)"  # copies under way
    r"|thumbs\.db|desktop\.ini"  # Windows
    r"|@eadir|\#recycle"  # Synology
    r"|.*\.sync-conflict-.*",  # Syncthing
    re.IGNORECASE | re.DOTALL,
)
_JOB_FILE = re.compile(r".+\.ya?ml", re.IGNORECASE | re.DOTALL)


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name (not path) is passed over as if it were not there."""
    return _IGNORED.fullmatch(name) is not None


def is_job_name(name: str) -> bool:
    """Whether a file of this name (not path) is a job file: `.yaml` or `.yml` in any case."""
    return _JOB_FILE.fullmatch(name) is not None and not is_ignored(name)
