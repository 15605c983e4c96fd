"""Names in folders as people mean them: without regard to case and to how accents are composed.

macOS stores `é` as two characters, Windows treats `IMG.JPG` and `img.jpg` as one name; on the
Linux disk behind the share these are different names.
"""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

#: For so long a folder's names are remembered. Thousands of waiting jobs, all looking for a
#: picture that is not there yet, then cost one reading of the folder.
LISTING_LIFETIME = timedelta(seconds=2)
#: Names of a folder that are looked at.
LONGEST_LISTING = 100_000
#: Folders that are remembered at one time.
MOST_LISTINGS = 64


def folded(name: str) -> str:
    """Return what all spellings of `name` have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def meant(name: str, names: Iterable[str]) -> list[str]:
    """Return those of `names` (alike when folded) that `name` may mean: best one, one, several.

    A name that differs only in how its accents are composed is a better match than one that
    differs in case.
    """
    candidates = sorted(names)
    composed = unicodedata.normalize("NFC", name)
    same_case = [one for one in candidates if unicodedata.normalize("NFC", one) == composed]
    return same_case if len(same_case) == 1 else candidates


@dataclass
class Listings:
    """The names in folders by what they are when folded, remembered for `LISTING_LIFETIME`."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[int, int], tuple[float, dict[str, list[str]]]] = field(default_factory=dict)

    def alike(self, folder: int, name: str) -> list[str]:
        """Return the names in the open `folder` that are spellings of `name`. Raises OSError."""
        return meant(name, self._names(folder).get(folded(name), []))

    def _names(self, folder: int) -> dict[str, list[str]]:
        status = os.fstat(folder)
        key = (status.st_dev, status.st_ino)
        now = self.clock()
        if key in self._known and now < self._known[key][0]:
            return self._known[key][1]
        names: dict[str, list[str]] = {}
        with os.scandir(folder) as entries:
            for entry in islice(entries, LONGEST_LISTING):
                names.setdefault(folded(entry.name), []).append(entry.name)
        while len(self._known) >= MOST_LISTINGS:
            del self._known[next(iter(self._known))]
        self._known[key] = (now + LISTING_LIFETIME.total_seconds(), names)
        return names
