"""Hours of everything at once, on a machine that has other things to do.

`python -m tests.soak --minutes 120` runs two daemons. One lives through all of it, on a share that
comes and goes, with its workers killed and its configuration changed: its memory, descriptors and
threads have to stay what they are after the first ten minutes. The other one dies again and again.
In the end nothing may be lost or doubled on either. The exit status says how it went.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

import psutil
from tests.conftest import made_up
from tests.soak.mortal import Mortal
from tests.soak.people import Errand
from tests.soak.samples import MOST_GROWTH, MOST_GROWTH_WHEN_SHORT, complaints, growth
from tests.soak.steady import Steady
from tests.unit.notify.servers import WebhookServer

from atelierd.weights.formats import canonical

#: Seconds after which memory is to be flat; a third of a short soak.
WARM_UP = 600.0
SAMPLE_EVERY = 5.0
#: Seconds between two things that happen to a daemon, about; fewer in a short soak.
LONGEST_PAUSE = 6.0
REPORT_EVERY = 120.0


class CpuMeter:
    """Adds up what this process and all that it has started have taken of the processor."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, float], float] = {}
        self._me = psutil.Process()

    def look(self) -> None:
        """Take down what everybody has used by now; who ends between two looks is missed."""
        for process in (self._me, *self._me.children(recursive=True)):
            try:
                times = process.cpu_times()
                key = (process.pid, process.create_time())
            except psutil.Error:
                continue
            self._seconds[key] = times.user + times.system

    @property
    def seconds(self) -> float:
        """Seconds of one core."""
        return sum(self._seconds.values())


class Soak:
    """Both daemons, the time, and the report."""

    def __init__(self, minutes: float, seed: int, pause: float, report: Path, root: Path) -> None:
        """Make both yards below `root`; `pause`: about how many seconds pass between two things."""
        self._until = minutes * 60
        self._warm_up = min(WARM_UP, self._until / 3)
        self._seed = seed
        self._pause = pause
        self._report = report
        self._cpu = CpuMeter()
        weights = root / "weights"
        weights.mkdir()
        canonical.write(weights / "vgg16.safetensors", made_up("vgg16"), {"configured": ""})
        self._hook = WebhookServer()
        with self._hook.serving():
            self._began = time.monotonic()
            signal.signal(signal.SIGTERM, self._told_to_stop)
            self._steady = Steady(root, weights, self._hook, random.Random(seed))
            try:
                self._mortal = Mortal(root, weights, random.Random(seed + 1))
                try:
                    self.complaints = self._run()
                finally:
                    self._mortal.close()
            finally:
                self._steady.close()

    def second(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._began

    def _run(self) -> list[str]:
        found = self._live()
        for one in (self._steady, self._mortal):
            try:
                one.end()
            except Exception:  # noqa: BLE001 - the report says what it was
                found.append(traceback.format_exc())
        most = MOST_GROWTH if self._warm_up >= WARM_UP else MOST_GROWTH_WHEN_SHORT
        try:
            found += complaints(self._steady.samples, self._steady.rests, self._warm_up, most)
        except ValueError as error:
            found.append(str(error))
        self._write(found)
        return found

    def _live(self) -> list[str]:
        """Let both live until the time is over; return what went wrong with either."""
        found: list[str] = []
        lives: dict[str, Errand] = {
            "steady": self._steady.life(self.second, self._warm_up, self._end, self._pause),
            "mortal": self._mortal.life(self.second, self._end, 2 * self._pause),
        }
        due = dict.fromkeys((*lives, "sample", "report"), 0.0)
        while lives:
            now = self.second()
            for name in [one for one in lives if due[one] <= now]:
                try:
                    due[name] = self.second() + next(lives[name])
                except StopIteration:
                    del lives[name], due[name]
                except Exception:  # noqa: BLE001 - the report says what it was
                    found.append(traceback.format_exc())
                    del lives[name], due[name]
                    # It has failed: hours more of the other would say no more.
                    self._until = min(self._until, self.second())
            if due["sample"] <= now:
                self._cpu.look()
                self._steady.sample(self.second())
                due["sample"] = now + SAMPLE_EVERY
            if due["report"] <= now:
                self._write(None)
                due["report"] = now + REPORT_EVERY
            time.sleep(max(0.02, min(1.0, min(due.values()) - self.second())))
        return found

    def _end(self) -> float:
        return self._until

    def _told_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        """Come to an end earlier, with a verdict; told once more, end at once."""
        if self._until <= self.second():
            sys.exit("told to stop at once")
        self._until = self.second()

    def _write(self, found: list[str] | None) -> None:
        """Write the report as it is by now; `found` is None while the soak runs."""
        facts = {
            "verdict": "running" if found is None else "failed" if found else "passed",
            "complaints": found or [],
            **self.summary(),
            "steady": dict(sorted(self._steady.done.items())),
            "mortal": dict(sorted(self._mortal.done.items())),
            "web answers": dict(self._steady.answers),
            "notified": dict(self._steady.manager.heard),
            "rests": [
                {
                    "minute": round(rest.second / 60, 1),
                    **{
                        what: rest.least(what)
                        for what in ("rss", "pss", "uss", "descriptors", "threads", "workers")
                    },
                    "open": rest.descriptors,
                }
                for rest in self._steady.rests
            ],
            "samples": [asdict(sample) for sample in self._steady.samples],
        }
        new = self._report.with_suffix(".new")
        new.write_text(json.dumps(facts, indent=1) + "\n")
        new.replace(self._report)

    def summary(self) -> dict[str, Any]:
        """Return the figures that matter."""
        samples, rests = self._steady.samples, self._steady.rests
        seconds = self.second()
        facts: dict[str, Any] = {
            "seed": self._seed,
            "minutes": round(seconds / 60, 1),
            "warm-up, minutes": round(self._warm_up / 60, 1),
            "cores": os.cpu_count(),
            "load of the machine": os.getloadavg()[1],
            "of one core, percent": round(100 * self._cpu.seconds / seconds, 1),
            "jobs": {
                "steady": len(self._steady.yard.dropped),
                "mortal": len(self._mortal.yard.dropped),
            },
            "daemons started": len(self._mortal.yard.processes),
            "notices delivered": len(self._hook.calls),
        }
        after = [one for one in samples if one.second >= self._warm_up]
        if after:
            facts["memory of the steady daemon"] = {
                what: {
                    "after the warm-up, MB": round(getattr(after[0], what) / 1e6, 1),
                    "median, MB": round(median(getattr(one, what) for one in after) / 1e6, 1),
                    "last, MB": round(getattr(after[-1], what) / 1e6, 1),
                    "growth at most, percent": round(100 * growth(after, 0.0, what), 2),
                }
                for what in ("rss", "pss", "uss")
            }
        if rests:
            facts["at rest"] = {
                what: [rest.least(what) for rest in rests] for what in ("descriptors", "threads")
            }
        return facts


def main() -> int:
    """Run it and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--pause", type=float, help="about how many seconds pass between two things"
    )
    parser.add_argument("--report", type=Path, default=Path("build/faults/soak-hours.json"))
    given = parser.parse_args()
    report: Path = given.report.absolute()
    report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="atelierd-soak-") as root:
        pause = given.pause or min(LONGEST_PAUSE, given.minutes * 60 / 90)
        soak = Soak(given.minutes, given.seed, pause, report, Path(root))
        sys.stdout.write(json.dumps(soak.summary(), indent=2) + "\n")
    for complaint in soak.complaints:
        sys.stdout.write(f"complaint: {complaint}\n")
    verdict = "failed" if soak.complaints else "passed"
    sys.stdout.write(f"verdict: {verdict}; all figures: {report}\n")
    return 1 if soak.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
