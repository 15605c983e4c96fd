"""Coarse to fine against one scale: seconds to the same objective, taking turns in one run.

    python -m tests.benchmarks.scales --size 300

Both are the daemon's own way with the tutorial's objective, of as many iterations. The mark is the
worse of their two final objectives, judged in fp32.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage
from rich.console import Console
from rich.table import Table
from tests.benchmarks.measuring import machine, write
from tests.benchmarks.race import Racer, judge_of
from tests.benchmarks.sides import Setup

from atelierd.render.pixels import from_network

SIDES = ("fastest", "one-scale")


def run(setup: Setup, console: Console) -> dict[str, Racer]:
    """Let both go to their ends, the one that has used less time next."""
    judge = judge_of(setup)
    racers = {name: Racer(name, setup) for name in SIDES}
    try:
        for racer in racers.values():
            console.print(f"preparing {racer.name}")
            racer.prepare()
        while running := [racer for racer in racers.values() if not racer.record.finished]:
            min(running, key=lambda racer: racer.record.seconds).advance(judge)
    finally:
        for racer in racers.values():
            racer.close()
    return racers


def main() -> None:
    """Measure, print the table, write JSON and both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/scales.json"))
    options = parser.parse_args()
    setup = Setup(None, None, options.size, 10, 20, options.threads)
    console = Console()
    facts = machine(options.threads)
    racers = run(setup, console)
    mark = max(racer.record.final for racer in racers.values())
    table = Table("", f"s to {mark:.0f}", "s in all", "final objective")
    result: dict[str, Any] = {"size": options.size, "machine": facts, "mark": mark, "sides": {}}
    for name, racer in racers.items():
        figures = racer.record.summary(mark)
        result["sides"][name] = figures
        reached, seconds = figures["seconds_to_target"], figures["seconds"]
        table.add_row(name, f"{reached:.1f}", f"{seconds:.1f}", f"{racer.record.final:.0f}")
    console.print(table)
    write(options.json, result, console)
    for name, racer in racers.items():
        if racer.record.image is not None:
            pixels = from_network(racer.record.image, "as-is").round().clip(0, 255)
            path = options.json.with_name(f"scales-{name}.png")
            PillowImage.fromarray(pixels.astype("uint8")).save(path)
            console.print(f"written to {path}")


if __name__ == "__main__":
    main()
