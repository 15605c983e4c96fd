"""Forecasts against what renders take: ten jobs, each in a fresh process.

    python -m tests.benchmarks.prediction

Measures the machine as `atelierd benchmark` does, predicts peak memory and time of each job, and
renders it. On a machine that others use as well, `--clock cpu --threads 1` compares processor
seconds, which others' work hardly changes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from rich.console import Console
from rich.table import Table
from skimage import data
from tests.benchmarks.measuring import machine, write
from tests.benchmarks.sides import weights, weights_folder

from atelierd.cli.single import Pair, pair
from atelierd.engines.base import WHOLE, Execution, Precision
from atelierd.jobs.presets import shipped_config
from atelierd.render.fitting import measure
from atelierd.render.live import LiveRender, course_of
from atelierd.render.machine import MachineModel
from atelierd.render.measuring import BenchProcess
from atelierd.render.memory import MachineMemory
from atelierd.render.plan import make_plan
from atelierd.render.planner import Planner
from atelierd.render.planning import demand_of
from atelierd.render.products import picture_file
from atelierd.render.resident import EngineOptions, Resident
from atelierd.render.scene import Scene
from atelierd.weights.network import NETWORKS

#: Targets: largest deviation from what was measured.
MEMORY_WITHIN, TIME_WITHIN = 0.20, 0.30
Clock = Literal["wall", "cpu"]
_CLOCKS: dict[Clock, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Job:
    """One render to predict and to do."""

    size: str
    precision: Precision
    iterations: int
    network: Literal["vgg16", "vgg19"] = "vgg16"
    minimizer: str = "lbfgs"
    execution: Execution = WHOLE

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        way = self.execution.method
        tile = f" {self.execution.tile}" if self.execution.tile else ""
        facts = (self.size, self.precision, self.network, self.minimizer, f"{way}{tile}")
        return f"{' '.join(facts)}, {self.iterations} iterations"


JOBS = (
    Job("256", "fp32", 14),
    Job("300", "fp32", 8, minimizer="lbfgsb"),
    Job("512", "fp32", 8, minimizer="adam"),
    Job("320", "bf16", 24),
    Job("384", "bf16", 14, network="vgg19", minimizer="adam"),
    Job("512x320", "bf16", 14, minimizer="lbfgsb"),
    Job("768", "bf16", 12),
    Job("640", "fp32", 6, execution=Execution("recompute")),
    Job("800x600", "bf16", 5, execution=Execution("tiled", 256)),
    Job("512", "bf16", 5, network="vgg19", execution=Execution("tiled", 128)),
)


@dataclass(frozen=True)
class Outcome:
    """What a job was said to take, and what it took."""

    job: str
    predicted_bytes: int
    measured_bytes: int
    predicted_seconds: float
    measured_seconds: float

    @property
    def memory_error(self) -> float:
        """Deviation of the forecast from the measured peak, as a share of that."""
        return self.predicted_bytes / self.measured_bytes - 1.0

    @property
    def time_error(self) -> float:
        """Deviation of the forecast from the measured time, as a share of that."""
        return self.predicted_seconds / self.measured_seconds - 1.0


def outcome(job: Job, options: EngineOptions, model: MachineModel, clock: Clock) -> Outcome:
    """Render a job and return what came of it; runs in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        work = _pair(job, Path(folder))
        settings, scene = work.frozen.settings, Scene(work.frozen, work.open_input)
        demand = demand_of(settings, len(work.frozen.styles), scene.picture_bytes)
        course = make_plan(scene.size(), job.iterations, 1, settings.scales, job.precision)
        plan = course.executed([job.execution] * len(course.phases))
        forecast = Planner(model, demand).forecast(plan)
        engine = Resident(options).engine("torch", job.network, lambda _: None)
        assert course == course_of(settings, scene.size(), engine)
        live = LiveRender(settings, scene, engine, lambda _: None, plan)
        seconds = _CLOCKS[clock]()
        while not live.finished:
            live.iterate()
        seconds = _CLOCKS[clock]() - seconds
        live.save(Path(folder))
        picture_file(live, work.frozen)
        live.close()
    return Outcome(job.title, forecast.bytes, MachineMemory().peak(), forecast.seconds, seconds)


def _pair(job: Job, folder: Path) -> Pair:
    """Return the render of a photograph in the style of another one, both at twice the size."""
    files = []
    for name in ("astronaut", "coffee"):
        picture = Image.fromarray(getattr(data, name)())
        picture.save(folder / f"{name}.png")
        files.append(folder / f"{name}.png")
    choices: dict[str, Any] = {
        "size": job.size if "x" in job.size else int(job.size),
        "iterations": job.iterations,
        "snapshots": 1,
        "precision": job.precision,
        "network": job.network,
        "minimizer": job.minimizer,
    }
    return pair(files[0], files[1:], choices, [shipped_config() / "presets"])


def _fresh(job: Job, options: EngineOptions, model: MachineModel, clock: Clock) -> Outcome:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(outcome, job, options, model, clock).result()


def table(outcomes: list[Outcome]) -> Table:
    """Return the figures."""
    table = Table()
    for title in ("job", "MB predicted", "measured", "off by", "s predicted", "measured", "off by"):
        table.add_column(title, justify="left" if title == "job" else "right")
    for one in outcomes:
        table.add_row(
            one.job,
            f"{one.predicted_bytes / 1e6:.0f}",
            f"{one.measured_bytes / 1e6:.0f}",
            f"{one.memory_error:+.0%}",
            f"{one.predicted_seconds:.1f}",
            f"{one.measured_seconds:.1f}",
            f"{one.time_error:+.0%}",
        )
    return table


def main() -> None:
    """Measure, predict, render, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--model", type=Path, help="a machine.json instead of measuring anew")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/prediction.json"))
    arguments = parser.parse_args()
    console = Console()
    options = EngineOptions(weights_folder(), device="cpu", threads=arguments.threads)
    for network in NETWORKS:
        weights(network)  # fetched before any process needs them
    facts = machine(arguments.threads or len(os.sched_getaffinity(0)))
    if arguments.model:
        model = MachineModel.model_validate_json(arguments.model.read_bytes())
    else:
        with closing(BenchProcess(options, _CLOCKS[arguments.clock])) as bench:
            model = measure(bench, console.print)
    outcomes = []
    for job in JOBS:
        outcomes.append(_fresh(job, options, model, arguments.clock))
        one = outcomes[-1]
        console.print(f"{one.job}: memory {one.memory_error:+.0%}, time {one.time_error:+.0%}")
    console.print(table(outcomes))
    memory = sum(abs(one.memory_error) <= MEMORY_WITHIN for one in outcomes)
    seconds = sum(abs(one.time_error) <= TIME_WITHIN for one in outcomes)
    console.print(
        f"within {MEMORY_WITHIN:.0%} of the peak: {memory} of {len(outcomes)}; "
        f"within {TIME_WITHIN:.0%} of the time: {seconds} of {len(outcomes)}"
    )
    result = {
        "machine": {**facts, "load_after": os.getloadavg()[0]},
        "clock": arguments.clock,
        "model": model.model_dump(mode="json"),
        "jobs": [
            {**asdict(one), "memory_error": one.memory_error, "time_error": one.time_error}
            for one in outcomes
        ],
        "memory_within": memory,
        "time_within": seconds,
    }
    write(arguments.json, result, console)


if __name__ == "__main__":
    main()
