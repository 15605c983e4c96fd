"""Queue throughput: the real daemon on a batch of renders that share contents and styles.

    python -m tests.benchmarks.throughput --renders 20 --size 256

Compares the wall time from the first render's beginning to the last one's end with the seconds that
the worker spent in iterations (the receipts' own): the rest is what the queue costs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from skimage import data
from tests.benchmarks.measuring import machine, write
from tests.benchmarks.sides import weights, weights_folder
from tests.integration.daemon import Share

#: Photographs of scikit-image.
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry", "retina")
#: Contents of the batch; the styles are as many as it takes.
CONTENTS = 4
#: Seconds after which something must be wrong.
PATIENCE = 3_600.0


@dataclass(frozen=True)
class Batch:
    """What the daemon did."""

    renders: int
    wall_seconds: float
    """From the first render's beginning to the last one's end."""
    loading_seconds: float
    """Of these, until the network was loaded: once, whatever the batch."""
    iterating_seconds: float
    """In iterations, all renders together, targets included."""
    networks_loaded: int
    objectives_compiled: int
    objectives_reused: int

    @property
    def overhead(self) -> float:
        """What the queue costs, as a share of the time in iterations; loading not counted."""
        return (self.wall_seconds - self.loading_seconds) / self.iterating_seconds - 1.0


def run(folder: Path, renders: int, threads: int | None, settings: dict[str, Any]) -> Batch:
    """Have a daemon in `folder` do the batch, and return what that came to."""
    work = {"device": "cpu", "segment": "2 s"} | ({"threads": threads} if threads else {})
    share = Share(folder, weights_folder(), work=work)
    styles = -(-renders // CONTENTS)
    contents = _draw(share.inbox, PHOTOGRAPHS[:CONTENTS], 640)
    paintings = _draw(share.inbox, PHOTOGRAPHS, 512)
    # Each cut differs, so each is a style of its own.
    names = [f"style-{i}.png" for i in range(styles)]
    for i, name in enumerate(names):
        with Image.open(share.inbox / paintings[i % len(paintings)]) as picture:
            picture.crop((8 * i, 0, picture.width, picture.height)).save(share.inbox / name)
    keys = {"content": contents, "style": names, **settings}
    lines = [f"{key}: {json.dumps(value)}" for key, value in keys.items()]
    share.drop("batch.yaml", "\n".join(lines) + "\n")
    daemon = share.run("--drain")
    try:
        daemon.wait_for(lambda: share.finished("batch"), PATIENCE)
        code = daemon.wait()
    finally:
        daemon.end()
    if code:
        raise RuntimeError("\n".join(daemon.messages))
    return _batch(daemon.log_file, [one["seconds"] for one in share.receipts("batch")])


def _draw(folder: Path, names: Sequence[str], longest: int) -> list[str]:
    files = []
    for name in names:
        picture = Image.fromarray(getattr(data, name)())
        picture.thumbnail((longest, longest))
        picture.save(folder / f"{name}-{longest}.png")
        files.append(f"{name}-{longest}.png")
    return files


def _batch(log: Path, seconds: Sequence[float]) -> Batch:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    at = [(datetime.fromisoformat(line["time"]), str(line["message"])) for line in lines]

    def times(words: str) -> list[datetime]:
        return [moment for moment, message in at if words in message]

    loading = [
        float(found[1])
        for _, message in at
        if (found := re.search(r"weights of \w+ loaded in ([\d.]+) s", message))
    ]
    wall = times("is done: ")[-1] - times("begins with ")[0]
    return Batch(
        renders=len(seconds),
        wall_seconds=wall.total_seconds(),
        loading_seconds=sum(loading),
        iterating_seconds=sum(seconds),
        networks_loaded=len(loading),
        objectives_compiled=len(times("objective compiled")),
        objectives_reused=len(times("objective reused")),
    )


def main() -> None:
    """Run the batch, print the figures, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renders", type=int, default=20)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/throughput.json"))
    options = parser.parse_args()
    settings = {"preset": options.preset, "size": options.size}
    if options.iterations:
        settings["iterations"] = options.iterations
    weights()  # fetched before the daemon needs them
    facts = machine(options.threads or len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        batch = run(Path(folder), options.renders, options.threads, settings)
    console = Console()
    console.print(
        f"{batch.renders} renders at {options.size} px: {batch.wall_seconds:.1f} s, of these "
        f"{batch.loading_seconds:.1f} s to load the network and {batch.iterating_seconds:.1f} s "
        f"in iterations; the queue costs {batch.overhead:.1%}"
    )
    result = {
        "settings": settings,
        "machine": {**facts, "load_after": os.getloadavg()[0]},
        "overhead": batch.overhead,
        **asdict(batch),
    }
    write(options.json, result, console)


if __name__ == "__main__":
    main()
