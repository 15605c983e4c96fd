"""Ids of jobs: `20261123-174512-skyline-7f3a`, in the order of time and fit for any folder."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePosixPath

#: What every id looks like: date and time in UTC, a word from the job file's name, four digits.
JOB_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9-]{1,40}-[0-9a-f]{4}")
_LONGEST_WORD = 40


def new_job_id(source: str, wall: datetime, used: Callable[[str], bool]) -> str:
    """Return an id for the job file `source` that is not `used`; `wall` is an aware time."""
    time = f"{wall.astimezone(UTC):%Y%m%d-%H%M%S}"
    word = _word(PurePosixPath(source).stem)
    while True:
        job_id = f"{time}-{word}-{secrets.token_hex(2)}"
        if not used(job_id):
            return job_id


def _word(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST_WORD].strip("-") or "job"
