"""What `doctor DIR` finds out about a folder on a share, and the settings that follow from it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from atelierd.cli import words
from atelierd.cli.boxed import within
from atelierd.cli.findings import Finding, Level, fail, ok, warn
from atelierd.errors import WorldFault
from atelierd.ledger.place import Mount, find_mount
from atelierd.settings import ShareSettings
from atelierd.sharecheck import trials
from atelierd.sharecheck.ground import Ground
from atelierd.sharecheck.kinds import Believed, believed
from atelierd.sharecheck.lag import PATIENCE, OtherWayError, measure_lag
from atelierd.sharecheck.measures import (
    Events,
    Lag,
    Names,
    Pace,
    Renames,
    Room,
    Scan,
    Syncs,
    Times,
)
from atelierd.sharecheck.proposal import Proposal, scan_interval, settle
from atelierd.worldfaults import WORDS

#: Seconds that the folder has for each thing that is tried; for the lag, three waits more.
PATIENCE_EACH = 60.0
#: Seconds by which clocks may differ before it is told.
SAME_TIME = 2.0
#: Seconds that a change may go unseen before that is told.
LONG_LAG = 10.0
#: Bytes of a name that a picture's file can come to while it is written.
LONGEST_NAME = 160

T = TypeVar("T")


class NoAnswerError(Exception):
    """The share has not answered in time."""


@dataclass
class ShareExamination:
    """Tries a folder out; `other` is another path to the same folder."""

    folder: Path
    other: Path | None = None
    #: What the configuration says, where it names this folder.
    settings: ShareSettings | None = None
    patience: float = PATIENCE_EACH
    lag_patience: float = PATIENCE
    #: The settings that are proposed, once all is found.
    proposals: tuple[Proposal, ...] = field(default=(), init=False)

    def findings(self) -> Iterator[Finding]:
        """Give what is found, one after the other; nothing is left behind."""
        try:
            ground = self._ask(lambda: Ground(self.folder))
        except NoAnswerError:
            yield self._no_answer("folder")
            return
        except OSError as error:
            yield _refused("folder", self.folder, error)
            return
        answers = True
        try:
            yield from self._on(ground)
        except NoAnswerError:
            answers = False
            yield self._no_answer("folder")
        finally:
            left = self._end(ground, answers)
        if left is not None:
            yield left

    def _on(self, ground: Ground) -> Iterator[Finding]:
        mount = self._mount()
        yield ok("folder", _on_what(self.folder, mount))
        self._found: dict[type, object] = {}
        yield from self._try("rename", lambda: trials.renames(ground), _renames)
        yield from self._try("fsync", lambda: trials.syncs(ground), _syncs)
        yield from self._try("clock", lambda: trials.times(ground), _times)
        yield from self._try("names", lambda: trials.names(ground), _names)
        yield from self._try("events", lambda: trials.events(ground), lambda it: _events(it, mount))
        yield from self._try("speed", lambda: trials.pace(ground), _pace)
        yield from self._try("scan", lambda: trials.scan(self.folder), _scan)
        yield from self._try("free space", lambda: trials.room(self.folder), self._room)
        known = None if mount is None else believed(mount)
        yield from self._lag(ground, mount, known)
        yield ok("locks, links", "none are used on a share, and none were tried")
        times, lag = self._measured(Times), self._measured(Lag)
        events, scan = self._measured(Events), self._measured(Scan)
        self.proposals = (
            settle(mount, times, known, lag),
            scan_interval(mount, events, scan, known, lag),
        )
        for proposal in self.proposals:
            yield self._proposed(proposal)

    def _try(
        self, topic: str, trial: Callable[[], T], say: Callable[[T], Iterator[Finding]]
    ) -> Iterator[Finding]:
        try:
            measured = self._ask(trial)
        except WorldFault as fault:
            yield fail(topic, str(fault))
        except OSError as error:
            yield _refused(topic, self.folder, error)
        else:
            self._found[type(measured)] = measured
            yield from say(measured)

    def _measured(self, kind: type[T]) -> T | None:
        found = self._found.get(kind)
        return found if isinstance(found, kind) else None

    def _ask(self, ask: Callable[[], T], patience: float | None = None) -> T:
        answer = within(patience or self.patience, lambda: (ask(),))
        if answer is None:
            raise NoAnswerError
        return answer[0]

    def _lag(
        self, ground: Ground, mount: Mount | None, known: Believed | None
    ) -> Iterator[Finding]:
        topic, other = "attributes", self.other
        if other is not None:
            try:
                lag = self._ask(
                    lambda: measure_lag(ground, other, self.lag_patience),
                    self.patience + 4 * self.lag_patience,
                )
            except OtherWayError as error:
                yield fail(topic, str(error))
            except OSError as error:
                yield _refused(topic, other, error)
            else:
                self._found[Lag] = lag
                yield _lag(lag, other, known)
            return
        if known is not None:
            text = (
                f"what others change may be seen up to {known.longest:.0f} s late "
                f"({known.because}); not measured: from one mount that cannot be"
            )
            advice = known.remedy or f"atelierd doctor {self.folder} --through OTHER measures it"
            yield Finding(topic, Level.WARN if known.remedy else Level.OK, text, advice)
        elif mount is not None and mount.is_remote:
            yield ok(
                topic,
                f"how late it is seen what others change is not known of {mount.kind}, and cannot "
                "be measured from one mount",
            )
        else:
            yield ok(topic, "on a disk of this machine what others change is seen at once")

    def _room(self, room: Room) -> Iterator[Finding]:
        floor = (self.settings or ShareSettings()).free_space
        text = f"{words.size(room.free)} of {words.size(room.total)}"
        if room.free < floor:
            yield fail(
                "free space",
                f"{text}; the daemon waits below {words.size(floor)}",
                "delete something, or lower share: free_space",
            )
        else:
            yield ok("free space", text)

    def _proposed(self, proposal: Proposal) -> Finding:
        text = f"{proposal.seconds} s: {'; '.join(proposal.reasons)}"
        if self.settings is not None:
            now = getattr(self.settings, proposal.setting).total_seconds()
            if now < proposal.seconds:
                return warn(proposal.setting, f"{text}. The configuration says {now:g} s")
            text = f"{text}. The configuration says {now:g} s, which will do"
        return ok(proposal.setting, text)

    def _mount(self) -> Mount | None:
        with contextlib.suppress(OSError):
            return find_mount(
                os.path.realpath(self.folder),
                Path("/proc/self/mountinfo").read_text(errors="surrogateescape"),
            )
        return None

    def _end(self, ground: Ground, answers: bool) -> Finding | None:
        with contextlib.suppress(NoAnswerError):
            try:
                self._ask(ground.end, self.patience if answers else 2.0)
            except OSError as error:
                why = error.strerror
            else:
                return None
            return warn(
                "folder",
                f"{ground.path} could not be removed: {why}",
                "remove it; in an inbox or outbox the daemon does so after a day",
            )
        return warn("folder", f"{ground.path} was left there", "remove it when the share answers")

    def _no_answer(self, topic: str) -> Finding:
        return fail(
            topic,
            f"{self.folder}: no answer within {self.patience:.0f} s",
            "see whether its server is up",
        )


def _on_what(folder: Path, mount: Mount | None) -> str:
    if mount is None:
        return f"{folder}"
    what = "shared with other machines" if mount.is_remote else "a disk of this machine"
    return f"{folder} on {mount.kind} ({mount.source}), {what}"


def _refused(topic: str, folder: Path, error: OSError) -> Finding:
    advice = WORDS.get(error.errno or 0, "")
    return fail(topic, f"{folder}: {error.strerror or error}", advice)


def _renames(found: Renames) -> Iterator[Finding]:
    if not found.over_existing:
        yield fail(
            "rename",
            "a file cannot be renamed over one that is there: no result can be published",
            "look for an option of the mount that allows it (sshfs: workaround=rename)",
        )
        return
    if not found.between_folders:
        yield fail(
            "rename",
            "a file cannot be moved into another folder of the share: no job can be taken",
            "share inbox and what is in it as one disk",
        )
    elif found.gaps:
        yield warn(
            "rename",
            f"replaces a file, but a reader on this machine found it missing or half "
            f"{words.count(found.gaps, 'time')} while it was replaced {trials.REPLACEMENTS} times",
            "whoever looks at a page or picture in that moment has to look again",
        )
    else:
        yield ok(
            "rename",
            f"replaces a file in one step ({trials.REPLACEMENTS} times under a reader's eyes), "
            "and moves one between folders",
        )
    if not found.same_inode:
        yield ok(
            "rename",
            "a renamed file gets another inode: what is renamed into place settles like any other",
        )


def _syncs(found: Syncs) -> Iterator[Finding]:
    took = f"{_amount(found.seconds)} for a small file to be safe under its name"
    if found.file_refused is not None:
        yield warn(
            "fsync",
            f"refused ({found.file_refused}); {took}",
            "a power cut of the server may undo results that were told as done",
        )
    elif found.folder_refused is not None:
        yield ok("fsync", f"of files; of folders it is refused, which is passed over; {took}")
    else:
        yield ok("fsync", f"of files and folders; {took}")


def _times(found: Times) -> Iterator[Finding]:
    if found.grain is None:
        kept = "a time that a client sets does not stay"
    else:
        kept = f"times are kept to {_amount(found.grain)}"
    if abs(found.ahead) > SAME_TIME:
        which = "ahead of" if found.ahead > 0 else "behind"
        yield warn(
            "clock",
            f"the server's is {abs(found.ahead):,.1f} s {which} this machine's; {kept}",
            "let both follow one time server: times in reports, and the age of what is thrown "
            "away, go by them",
        )
    else:
        yield ok("clock", f"the server's agrees with this machine's; {kept}")


def _names(found: Names) -> Iterator[Finding]:
    case = "A.jpg and a.jpg are one file" if found.folds_case else "A.jpg and a.jpg are two files"
    accents = "one name" if found.one_when_composed else "two names"
    text = f"{case}; é as one character and as two is {accents}"
    if found.changed is not None:
        text = f"{text}, and listed {found.changed}"
    text = f"{text}; up to {found.longest} bytes. Job files find either"
    if found.refused:
        listed = ", ".join(found.refused)
        yield warn("names", f"{text}. Not taken as they are: {listed}", "avoid them there")
    elif found.longest < LONGEST_NAME:
        yield warn("names", text, f"results may need {LONGEST_NAME} bytes: use short titles")
    else:
        yield ok("names", text)


def _events(found: Events, mount: Mount | None) -> Iterator[Finding]:
    remote = mount is not None and mount.is_remote
    others = f"none can come of what other machines do on {mount.kind}" if mount and remote else ""
    if found.delay is None and remote:
        yield ok("events", f"none come of what this machine does, and {others}: scans find it all")
    elif found.delay is None:
        yield warn("events", "none come of what this machine does", "scans alone find jobs")
    elif remote:
        yield ok("events", f"of this machine's own changes; {others}: scans find that")
    else:
        yield ok("events", f"after {_amount(found.delay)}")


def _pace(found: Pace) -> Iterator[Finding]:
    text = f"{words.size(found.written)}/s written, {words.size(found.read)}/s read"
    if not found.whole:
        yield fail("speed", f"{text}; what was read is not what was written", "check the server")
    else:
        yield ok("speed", text)


def _scan(found: Scan) -> Iterator[Finding]:
    yield ok("scan", f"{_amount(found.seconds)} for {words.count(found.names, 'name')}")


def _lag(found: Lag, other: Path, known: Believed | None) -> Finding:
    def late(seconds: float | None) -> str:
        return "not in time" if seconds is None else f"after {_amount(seconds)}"

    text = (
        f"what is changed through {other} is seen here: a new file in a listing "
        f"{late(found.name)}, its new size {late(found.size)}, by opening it {late(found.opened)}; "
        f"{'with' if found.event else 'without'} a file event"
    )
    remedy = "mount it so that attributes are remembered for a few seconds only"
    if known is not None and known.remedy:
        remedy = known.remedy
    if found.name is None or found.opened is None:
        return fail("attributes", text, remedy)
    if max(found.name, found.size or 0.0, found.opened) > LONG_LAG:
        return warn("attributes", text, remedy)
    return ok("attributes", text)


def _amount(seconds: float) -> str:
    """Return a short time in two digits or so: `1 ns`, `299 µs`, `2.2 ms`, `3.8 s`."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit:
            amount = seconds / unit
            return f"{amount:.0f} {name}" if amount >= 10 else f"{amount:.2g} {name}"
    return f"{seconds * 1e9:.0f} ns"
