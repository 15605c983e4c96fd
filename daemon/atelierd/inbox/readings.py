"""Whether the pictures that waiting jobs name are there, and quiet (rule 3).

One `Readings` serves one scan and looks at each file once, however many jobs name it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from atelierd.errors import JobFault, NotReadyError
from atelierd.images.wholeness import breaks_off
from atelierd.inbox.named import Named
from atelierd.inbox.readiness import StabilityTracker
from atelierd.inbox.scan import Inventory
from atelierd.jobs.opening import MissingError
from atelierd.jobs.paths import FileIdentity, Root
from atelierd.wording import shown


class WaitKind(StrEnum):
    """What a waiting job waits for."""

    #: For a file that is arriving: it will be over by itself.
    SETTLING = "settling"
    #: For a file that is not there, is empty or cannot be read: fails after the missing timeout.
    MISSING = "missing"
    #: For a disk or server that fails just at its files; the others go on.
    FAILING = "failing"
    #: For a person: it is no job as it lies there, and is not touched.
    PASSED_OVER = "passed over"


@dataclass(frozen=True)
class NotYet:
    """Why a job is not ready, in words that follow its name."""

    kind: WaitKind
    reason: str


Files = Mapping[str, FileIdentity]


class Readings:
    """What one scan finds out about files; `now` is monotonic, in seconds."""

    def __init__(
        self,
        root: Root,
        tracker: StabilityTracker,
        inventory: Inventory,
        complete: Mapping[str, set[FileIdentity]],
        now: float,
    ) -> None:
        """`complete`: by folder, the identities of files that were renamed into place."""
        self._root = root
        self._tracker = tracker
        self._inventory = inventory
        self._complete = complete
        self._now = now
        self._seen: set[Hashable] = set()
        self._answers: dict[tuple[PurePosixPath, str], Files | NotYet | JobFault] = {}

    def quiet(self, path: PurePosixPath, identity: FileIdentity) -> bool:
        """Take a reading of a file and return whether it is whole."""
        folder = "" if path.parent == PurePosixPath() else str(path.parent)
        if identity in self._complete.get(folder, ()):
            self._tracker.renamed_into_place(path, identity, self._now)
        return self._observe(path, identity)

    def named(self, folder: PurePosixPath, names: tuple[Named, ...]) -> Files | NotYet:
        """Return all files that a job in `folder` names, or why they are not ready.

        Raises JobFault for a name that no file can have.
        """
        missing = [one.text for one in names if self._surely_missing(folder, one)]
        if missing:
            return NotYet(WaitKind.MISSING, str(MissingError(*missing)))
        files: dict[str, FileIdentity] = {}
        not_yet = []
        for one in names:
            answer = self._answer(folder, one)
            if isinstance(answer, NotYet):
                not_yet.append(answer)
            else:
                files.update(answer)
        for kind in (WaitKind.MISSING, WaitKind.SETTLING):
            for answer in not_yet:
                if answer.kind is kind:
                    return answer
        return files

    def forget_others(self) -> None:
        """Forget the files that nobody asked about in this scan."""
        self._tracker.keep_only(self._seen)

    def _surely_missing(self, folder: PurePosixPath, one: Named) -> bool:
        return (
            not one.is_pattern
            and self._inventory.surely_missing(folder / one.path)
            and self._inventory.surely_missing(one.path)
        )

    def _answer(self, folder: PurePosixPath, one: Named) -> Files | NotYet:
        key = (folder, one.text)
        if key not in self._answers:
            try:
                self._answers[key] = self._look(folder, one)
            except JobFault as fault:
                self._answers[key] = fault
            except NotReadyError as error:
                self._answers[key] = NotYet(WaitKind.MISSING, str(error))
        answer = self._answers[key]
        if isinstance(answer, JobFault):
            raise answer
        return answer

    def _look(self, folder: PurePosixPath, one: Named) -> Files | NotYet:
        paths = self._find(folder, one)
        # More files of a pattern may be on their way: the list of matches has to be quiet too.
        reason = (
            f"waiting for all files of {shown(one.text)} to be copied"
            if one.is_pattern and not self._observe((folder, one.text), tuple(paths))
            else ""
        )
        files = {str(path): self._root.fingerprint(path) for path in paths}
        # All are read, not only those before the first that is not quiet: they settle together.
        for path, identity in files.items():
            if not self.quiet(PurePosixPath(path), identity):
                reason = reason or f"waiting for {shown(path)} to be copied"
        for path, identity in files.items():
            if identity.size == 0:
                return NotYet(WaitKind.MISSING, f"waiting for {shown(path)}, which is empty")
        if not reason:
            for path, identity in files.items():
                if not self._whole(PurePosixPath(path), identity):
                    reason = f"waiting for the rest of {shown(path)}, which breaks off"
        return NotYet(WaitKind.SETTLING, reason) if reason else files

    def _whole(self, path: PurePosixPath, identity: FileIdentity) -> bool:
        def look() -> bool:
            # A share that fails is found by acceptance, which has the words for it.
            with (
                os.fdopen(self._root.open_file(path), "rb") as file,
                contextlib.suppress(OSError),
            ):
                return breaks_off(file)
            return False

        return self._tracker.look_inside(path, identity, self._now, look)

    def _find(self, folder: PurePosixPath, one: Named) -> list[PurePosixPath]:
        try:
            return [self._root.find(one.text, folder)]
        except MissingError:
            matches = self._root.glob(one.text, folder) if one.is_pattern else []
            if not matches:
                raise
            return matches

    def _observe(self, key: Hashable, identity: Hashable) -> bool:
        self._seen.add(key)
        return self._tracker.observe(key, identity, self._now)
