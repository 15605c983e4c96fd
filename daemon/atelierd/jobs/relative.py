"""The paths that a job file may write, judged by their text alone.

A path is relative to the job file's folder or to the inbox, on Windows' terms or on POSIX's. What
could lead out of the inbox is refused here in words; `paths.Root` holds against what only shows
on the disk.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from atelierd.errors import JobFault
from atelierd.wording import shown

#: Characters in a path, and bytes in one of its parts; the kernel's own limits.
LONGEST_PATH, LONGEST_PART = 4_096, 255

_COPY = "copy the file into the inbox and write its path relative to the job file"


def relative_path(text: str) -> PurePosixPath:
    """Return `text` as a path with `/` between its parts, none of them `..`.

    Raises JobFault, with one sentence for each thing that is refused.
    """
    _refuse_characters(text)
    found = shown(text)
    slashed = text.replace("\\", "/")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", slashed):
        raise JobFault(f"{found} is a URL, and nothing is fetched; {_COPY}")
    if slashed.startswith("//"):
        raise JobFault(f"{found} is a network path; {_COPY}")
    if re.match(r"[A-Za-z]:", slashed):
        raise JobFault(f"{found} has a drive letter; {_COPY}")
    if slashed.startswith("/"):
        raise JobFault(f"{found} is an absolute path; {_COPY}")
    path = PurePosixPath(slashed)
    if ".." in path.parts:
        raise JobFault(
            f"{found} climbs out with ..; paths start at the job file's folder or at the inbox "
            "and only go down"
        )
    if not path.parts:
        raise JobFault(f"{found} is a folder; name a file")
    if any(len(part.encode()) > LONGEST_PART for part in path.parts):
        raise JobFault(f"{found} has a name of more than {LONGEST_PART} bytes; shorten it")
    return path


def _refuse_characters(text: str) -> None:
    found = shown(text)
    if not text.strip():
        raise JobFault("the path is empty; name a file")
    if len(text) > LONGEST_PATH:
        raise JobFault(f"{found} is longer than {LONGEST_PATH} characters; use a shorter path")
    if "\0" in text:
        raise JobFault(f"{found} contains a NUL character, which no file name can")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise JobFault(
            f"{found} contains a control character; inside double quotes a backslash starts an "
            "escape, so write the path without quotes or with / between its parts"
        )
