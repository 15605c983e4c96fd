"""Names for pictures and folders that every system takes, whatever the job file says."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from atelierd.jobs.listing import folded

#: Bytes in UTF-8; leaves room for a number and an extension within a file system's 255.
LONGEST_TITLE = 120

#: No file name has these on Windows.
_FORBIDDEN = frozenset('<>:"/\\|?*')
#: Devices on Windows, whatever the extension.
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(10))]
)


def file_safe(text: str, longest: int = LONGEST_TITLE) -> str:
    """Return `text` as a file name for Linux, Windows and macOS: never empty, never ignored.

    What a system forbids becomes `_`; so do `.`, `~` and `-` at the start, which hide a file or
    make an option of it. The result has at most `longest` bytes.
    """
    safe = "".join(
        "_" if one in _FORBIDDEN or (one != " " and unicodedata.category(one)[0] in "CZ") else one
        for one in unicodedata.normalize("NFC", text)
    ).strip()
    if safe[:1] in {".", "~", "-"}:
        safe = "_" + safe[1:]
    if safe.split(".")[0].strip().casefold() in _RESERVED:
        safe = "_" + safe
    cut = safe.encode()[:longest].decode(errors="ignore")
    return cut.rstrip(" .~") or "_"


def unique(titles: Sequence[str]) -> list[str]:
    """Return `titles` with `-2`, `-3`, ... after those that were there before, in any case."""
    taken: set[str] = set()
    result = []
    for title in titles:
        candidate, number = title, 1
        while folded(candidate) in taken:
            number += 1
            candidate = f"{title}-{number}"
        taken.add(folded(candidate))
        result.append(candidate)
    return result
