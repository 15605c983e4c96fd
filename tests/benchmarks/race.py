"""The race: the original program against other sides, on the same images, taking turns.

    python -m tests.benchmarks.race --size 300

The others are of `sides.SIDES`, named with `--against`; the daemon's fastest by default. With
`--against fastest one-scale` coarse to fine is compared with the same at full size only.

Whichever side has used less time goes next, so that both meet the same weather on the machine.
When the original is done, each other goes on until it reaches the original's final objective or
has done its own whole run. Every picture is judged by the same objective in fp32, off the clock.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.benchmarks.measuring import machine, peaks, write
from tests.benchmarks.sides import SIDES, Setup, Turn, weights

from atelierd.engines.base import Image, StyleImage
from atelierd.engines.recipe import novak_nikulin
from atelierd.engines.torch.engine import TorchEngine

Judge = Callable[[Image], float]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Mark:
    """Where a side stood after one of its turns."""

    seconds: float
    """Of the side's own time, from its first evaluation on."""
    evaluations: int
    """At full size."""
    objective: float


@dataclass
class Record:
    """What one side did."""

    preparing: float = 0.0
    """Seconds to start, load the weights and compile."""
    seconds: float = 0.0
    full_size_seconds: float = 0.0
    evaluations: int = 0
    """At full size."""
    smaller: int = 0
    """Evaluations at other sizes."""
    marks: list[Mark] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)
    """Peak resident bytes by process."""
    finished: bool = False
    image: Image | None = None
    """Of the last mark."""

    def take(self, turn: Turn, seconds: float, judge: Judge) -> None:
        """Add one turn that took `seconds`."""
        self.seconds += seconds
        if turn.image is None:
            self.smaller += turn.evaluations
            return
        self.full_size_seconds += seconds
        self.evaluations += turn.evaluations
        self.marks.append(Mark(self.seconds, self.evaluations, judge(turn.image)))
        self.image = turn.image

    def reached(self, objective: float) -> Mark | None:
        """Return the first mark at or below `objective`, None if there is none."""
        return next((mark for mark in self.marks if mark.objective <= objective), None)

    @property
    def final(self) -> float:
        """The objective of the last picture."""
        return self.marks[-1].objective

    def summary(self, target: float) -> dict[str, Any]:
        """Return the figures for table and JSON, of the way down to `target`."""
        reached = self.reached(target)
        return {
            "seconds_preparing": self.preparing,
            "seconds_per_evaluation": self.full_size_seconds / max(1, self.evaluations),
            "evaluations": self.evaluations,
            "evaluations_at_smaller_sizes": self.smaller,
            "seconds": self.seconds,
            "final_objective": self.final,
            "seconds_to_target": reached.seconds if reached else None,
            "evaluations_to_target": reached.evaluations if reached else None,
            "peak_bytes": self.peaks,
            "peak_bytes_together": sum(self.peaks.values()),
            "marks": [asdict(mark) for mark in self.marks],
        }


class Racer:
    """One side in its own process, which computes only when it is told to."""

    def __init__(self, name: str, setup: Setup) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, name, setup), daemon=True)
        self._process.start()
        theirs.close()
        self.name = name
        self.record = Record()

    def prepare(self) -> None:
        """Let it do what comes before its first evaluation."""
        _, self.record.preparing = self._next()

    def advance(self, judge: Judge) -> None:
        """Let it do one turn, and judge its picture."""
        turn, seconds = self._next()
        if turn is None:
            self.record.finished = True
        else:
            self.record.take(turn, seconds, judge)

    def _next(self) -> tuple[Turn | None, float]:
        self._pipe.send("go")
        answer = self._pipe.recv()
        if isinstance(answer, str):
            raise RuntimeError(f"the side {self.name} failed:\n{answer}")
        turn, seconds, peaks = answer
        for process, peak in peaks.items():
            self.record.peaks[process] = max(peak, self.record.peaks.get(process, 0))
        return turn, seconds

    def close(self) -> None:
        """End its process."""
        self._pipe.close()
        self._process.join()


def _run(pipe: Connection, name: str, setup: Setup) -> None:
    try:
        turns = SIDES[name](setup)
        while pipe.recv() == "go":
            began = time.perf_counter()
            turn = next(turns, None)
            pipe.send((turn, time.perf_counter() - began, peaks()))
    except EOFError:
        pass
    except Exception:  # noqa: BLE001 - told to the frame, which raises it
        pipe.send(traceback.format_exc())


def race(racers: Mapping[str, Racer], judge: Judge, report: Report) -> float:
    """Run the sides against each other and return the original's final objective."""
    for racer in racers.values():
        report(f"preparing {racer.name}")
        racer.prepare()
    original = racers["original"].record
    while waiting := [racer for racer in racers.values() if not _done(racer.record, original)]:
        racer = min(waiting, key=lambda racer: racer.record.seconds)
        racer.advance(judge)
        if racer.record.marks:
            last = racer.record.marks[-1]
            report(
                f"{racer.name}: {racer.record.seconds:.1f} s, {last.evaluations} evaluations, "
                f"objective {last.objective:.0f}"
            )
    return original.final


def _done(record: Record, original: Record) -> bool:
    if record.finished or not original.finished:
        return record.finished
    return record.reached(original.final) is not None


def judge_of(setup: Setup) -> Judge:
    """Return the objective in fp32, by the torch engine, which the parity tests hold to CNTK's."""
    content, style = setup.images()
    engine = TorchEngine(weights(), "cpu", setup.threads)
    objective = engine.objective(novak_nikulin(), content, [StyleImage(style)])

    def judge(image: Image) -> float:
        return sum(objective.terms(engine.to_device(image)).values())

    return judge


def table(summaries: Mapping[str, dict[str, Any]], target: float, setup: Setup) -> Table:
    """Return the figures of all sides, and how many times less each takes than the original."""
    table = Table(title=f"{setup.size} x {setup.size} px, down to {target:.0f}")
    for title in ("", "s per evaluation", "s to target", "evaluations", "peak MB", "final"):
        table.add_column(title, justify="left" if not title else "right")
    original = summaries["original"]
    for name, side in summaries.items():
        cells = [
            _times(original, side, key, form)
            for key, form in (
                ("seconds_per_evaluation", "{:.2f}"),
                ("seconds_to_target", "{:.1f}"),
                ("evaluations_to_target", "{}"),
            )
        ]
        peak = {**side, "megabytes": side["peak_bytes_together"] / 1e6}
        other = {"megabytes": original["peak_bytes_together"] / 1e6}
        cells.append(_times(other, peak, "megabytes", "{:.0f}"))
        table.add_row(name, *cells, f"{side['final_objective']:.0f}")
    return table


def _times(original: Mapping[str, Any], side: Mapping[str, Any], key: str, form: str) -> str:
    if side[key] is None:
        return "not reached"
    cell = form.format(side[key])
    ratio = original[key] / side[key] if side[key] else 1.0
    return cell if ratio == 1.0 else f"{cell} ({ratio:.1f} x less)"


def main() -> None:
    """Race, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--against", nargs="+", default=["fastest"], choices=sorted(SIDES.keys() - {"original"})
    )
    parser.add_argument("--content", type=Path, help="image file (a photograph of scikit-image)")
    parser.add_argument("--style", type=Path, help="image file (another one)")
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--outer", type=int, default=10, help="snapshots of the original")
    parser.add_argument("--inner", type=int, default=20, help="its iterations between them")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/race.json"))
    options = parser.parse_args()
    setup = Setup(
        options.content,
        options.style,
        options.size,
        options.outer,
        options.inner,
        options.threads,
    )
    facts = machine(setup.threads)
    console = Console()
    racers = {name: Racer(name, setup) for name in ("original", *options.against)}
    try:
        target = race(racers, judge_of(setup), console.print)
    finally:
        for racer in racers.values():
            racer.close()
    summaries = {name: racer.record.summary(target) for name, racer in racers.items()}
    console.print(table(summaries, target, setup))
    result = {"size": setup.size, "target": target, "machine": facts, "sides": summaries}
    write(options.json, result, console)


if __name__ == "__main__":
    main()
