"""What `settle` and `scan_interval` should be, by what was measured, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from atelierd.ledger.place import Mount
from atelierd.settings import ShareSettings
from atelierd.sharecheck.kinds import Believed
from atelierd.sharecheck.measures import Events, Lag, Scan, Times

_DEFAULTS = ShareSettings()
#: Seconds. File servers write what slow clients send in pieces of up to 8 MB; between two of them
#: nothing is seen to happen.
SETTLE_ON_NETWORKS = 5.0
#: Seconds beyond a delay, for the delay is a measured one.
SPARE = 1.0
#: Of all time, at most so much goes into scans.
SCAN_SHARE = 0.05
#: Seconds. To look more often than a listing is renewed shows nothing new; but people wait.
LONGEST_SCAN_INTERVAL = 30.0


@dataclass(frozen=True)
class Proposal:
    """A setting of the section `share`."""

    setting: str
    seconds: int
    reasons: tuple[str, ...]

    @property
    def line(self) -> str:
        """The line of the configuration."""
        return f"{self.setting}: {self.seconds} s"


def settle(
    mount: Mount | None, times: Times | None, believed: Believed | None, lag: Lag | None
) -> Proposal:
    """Return how long a file has to look the same. What was not measured is None."""
    default = _DEFAULTS.settle.total_seconds()
    wanted: list[tuple[float, str]] = [(default, "the default suffices")]
    if mount is not None and mount.is_remote:
        why = f"on {mount.kind} a slow copy grows in pieces, with seconds between them"
        wanted.append((SETTLE_ON_NETWORKS, why))
    if times is not None:
        if times.grain is None:
            why = "a time that is set does not stay, so only sizes tell of a change"
            wanted.append((SETTLE_ON_NETWORKS, why))
        elif times.grain >= 1:
            why = f"times are kept to {times.grain:.0f} s: two changes within may look like one"
            wanted.append((2 * times.grain + SPARE, why))
    opened = None if lag is None else lag.opened
    if opened is not None and opened >= SPARE:
        why = f"a file that is opened still had its old size after {opened:.1f} s"
        wanted.append((opened + SPARE + default, why))
    elif lag is None and believed is not None and believed.longest > default:
        # The daemon opens what it judges, and that asks the server, on NFS and sshfs alike.
        why = "an old size is believed by listings, not by the daemon, which opens each file"
        wanted.append((SETTLE_ON_NETWORKS, why))
    return _proposal("settle", wanted)


def scan_interval(
    mount: Mount | None,
    events: Events | None,
    scan: Scan | None,
    believed: Believed | None,
    lag: Lag | None,
) -> Proposal:
    """Return the time between two scans. What was not measured is None."""
    default = _DEFAULTS.scan_interval.total_seconds()
    hears_all = (
        events is not None
        and events.delay is not None
        and not (mount is not None and mount.is_remote)
    )
    if (lag is not None and lag.event) or hears_all:
        wanted = [(default, "file events make it shorter; the scan is for what they miss")]
    else:
        wanted = [(default, "without events of what others do, a job waits for the next scan")]
    if scan is not None:
        why = f"a scan takes {scan.seconds:.1f} s, and is to cost 5 % of the time"
        wanted.append((scan.seconds / SCAN_SHARE, why))
    late = lag.name if lag is not None else believed.longest if believed is not None else None
    if late is not None and late > 2 * default:
        why = f"a new file is listed after up to {late:.0f} s: looking more often shows no more"
        wanted.append((min(late / 2, LONGEST_SCAN_INTERVAL), why))
    return _proposal("scan_interval", wanted)


def _proposal(setting: str, wanted: Sequence[tuple[float, str]]) -> Proposal:
    seconds = max(amount for amount, _ in wanted)
    reasons = [why for amount, why in wanted if amount == seconds]
    return Proposal(setting, min(math.ceil(seconds), 3600), tuple(dict.fromkeys(reasons)))
