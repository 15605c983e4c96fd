"""`atelierd check`: what a job file would come to, before anybody drops it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from atelierd.cli import words
from atelierd.cli.configuration import ConfigOption, Surroundings, surroundings
from atelierd.cli.options import JsonOption
from atelierd.cli.terminal import plain, say, say_json, stdout
from atelierd.errors import JobFault
from atelierd.exits import Exit
from atelierd.wording import shown, shown_path

if TYPE_CHECKING:
    from atelierd.jobs.expand import RenderSpec
    from atelierd.jobs.paths import Root
    from atelierd.jobs.schema import JobFile
    from atelierd.render.plan import Plan
    from atelierd.schedule.timetable import Wishes

#: Pairs of size and renders that are told one by one.
MOST_SIZES = 20


def check(
    job: Annotated[Path, typer.Argument(metavar="JOB.yaml", help="The job file.")],
    inbox: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The inbox that its paths go by; left out, the configuration's if the file lies "
            "in there, else the file's own folder.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what would be done: the renders, their settings, phases, sizes, memory and time.

    Or what is wrong, with lines. Nothing is rendered or changed.
    """
    here = surroundings(config)
    if not as_json:
        _check(job, inbox, here)
        return
    from atelierd.cli.checkfacts import checked_facts

    try:
        renders, root, wishes = _read(job, inbox, here)
        say_json(checked_facts(renders, _probe(renders, root, here), here, wishes))
    except JobFault as fault:
        say_json({"sound": False, "problems": str(fault).splitlines()})
        raise typer.Exit(Exit.FAILED) from None


def _check(job: Path, inbox: Path | None, here: Surroundings) -> None:
    from atelierd.jobs.explain import explain

    renders, root, wishes = _read(job, inbox, here)
    say(stdout(), explain(renders).rstrip("\n"))
    _tell_sizes(renders, root, here, wishes)


def _read(
    job: Path, inbox: Path | None, here: Surroundings
) -> tuple[list[RenderSpec], Root, Wishes]:
    """Return the renders of a job file, what its paths go by, and its wishes. Raises JobFault."""
    from atelierd.jobs.paths import Root

    if not job.is_file():
        raise JobFault(f"{job}: found no file there; expected a job file")
    root = Root(_root(job, inbox, here))
    source = PurePosixPath(os.path.relpath(job.resolve(), root.path.resolve()))
    renders, wishes = _renders(job, source, root, here)
    return renders, root, wishes


def _root(job: Path, inbox: Path | None, here: Surroundings) -> Path:
    """Return the folder that the job's paths may not leave. Raises JobFault."""
    if inbox is not None:
        if not job.resolve().is_relative_to(inbox.resolve()):
            raise JobFault(f"{job} does not lie in {inbox}; copy it there, or leave --inbox out")
        return inbox
    if here.settings is not None and job.resolve().is_relative_to(here.settings.inbox.resolve()):
        return here.settings.inbox
    return job.resolve().parent


def _renders(
    job: Path, source: PurePosixPath, root: Root, here: Surroundings
) -> tuple[list[RenderSpec], Wishes]:
    """Return a job file's renders and wishes, as acceptance would make them. Raises JobFault."""
    from atelierd.inbox.waiting import LARGEST_JOB_FILE
    from atelierd.jobs.expand import MOST_RENDERS, expand
    from atelierd.jobs.opening import MissingError
    from atelierd.jobs.placed import told
    from atelierd.jobs.presets import load_preset
    from atelierd.jobs.reader import read_job
    from atelierd.jobs.resolved import DEFAULT_PRESET, resolve
    from atelierd.jobs.timing import wishes_of

    with job.open("rb") as opened:
        data = opened.read(LARGEST_JOB_FILE)
    file: JobFile = read_job(data, str(source))
    try:
        preset = load_preset(file.preset or DEFAULT_PRESET, here.preset_folders)
        settings = resolve(file, preset, load_preset(DEFAULT_PRESET, here.preset_folders))
        most = here.settings.max_renders if here.settings else MOST_RENDERS
        wishes = wishes_of(file, here.timetable, datetime.now(UTC))
        return expand(file, settings, root, source.parent, most), wishes
    except MissingError as error:
        listed = "\n".join(f"  {shown(one)}" for one in error.missing)
        raise JobFault(
            f"{source}: the job would wait for files that are not there:\n{listed}\n"
            f"{_paths_go_by(root.path, here)}"
        ) from error
    except JobFault as fault:
        raise JobFault(told(fault, data, str(source))) from fault


def _paths_go_by(root: Path, here: Surroundings) -> str:
    """Say where the files of a job were looked for, and where a daemon would look."""
    inbox = here.settings.inbox if here.settings else None
    if inbox is None or root.resolve() == inbox.resolve():
        return f"Paths go by the job file's folder, then by {shown_path(root)}"
    return (
        f"Looked for in {shown_path(root)}, for the job file does not lie in the inbox. To go by "
        f"what is in {shown_path(inbox)}, copy it there under a name that the daemon passes over, "
        "such as job.yaml.tmp, and check that"
    )


def _tell_sizes(
    renders: Sequence[RenderSpec], root: Root, here: Surroundings, wishes: Wishes
) -> None:
    """Say in which phases each size is rendered, how, what that takes, and when it would be done.

    Raises JobFault.
    """
    from atelierd.cli.forecasts import forecast_of, model_here, told_done
    from atelierd.images import fit_size

    infos = _probe(renders, root, here)
    sizes: dict[tuple[int, int], list[RenderSpec]] = {}
    for render in renders:
        size = fit_size(*infos[render.content], render.settings.size, render.settings.crop)
        sizes.setdefault(size, []).append(render)
    model, source = model_here(here, renders[0].settings)
    console = stdout()
    say(console, "")
    seconds = 0.0
    for size, of_size in list(sizes.items())[:MOST_SIZES]:
        forecast = forecast_of(of_size[0], size, infos, model)
        seconds += forecast.seconds * len(of_size)
        one = "render" if len(of_size) == 1 else "renders"
        numbers = _listed([render.index + 1 for render in of_size])
        whose = f"{one} {numbers}: " if len(renders) > 1 else ""
        each = " each" if len(of_size) > 1 else ""
        takes = f"{words.size(forecast.bytes)} of memory and {words.clock(forecast.seconds)}{each}"
        say(console, f"{whose}{size[0]} x {size[1]} pixels, about {takes}")
        say(console, f"  iterations: {_phases(forecast.plan)}")
    if len(sizes) > MOST_SIZES:
        say(console, f"... and {len(sizes) - MOST_SIZES:,} more sizes")
    else:
        say(console, plain(f"with an empty queue: {told_done(here, wishes, seconds)[0]}", 300))
    say(console, plain(f"by {source}", 300))


def _phases(plan: Plan) -> str:
    """Return `120 at 120 x 80, then 80 at 240 x 160`, with what is not the plain way."""
    from atelierd.render.planning import execution_told

    several = len({phase.precision for phase in plan.phases}) > 1
    told = []
    for phase in plan.phases:
        text = f"{phase.iterations} at {phase.width} x {phase.height}"
        text += f" in {phase.precision}" if several else ""
        if phase.execution.method != "whole":
            text += f", {execution_told(phase.execution)}"
        told.append(text)
    return ", then ".join(told)


def _probe(
    renders: Sequence[RenderSpec], root: Root, here: Surroundings
) -> dict[str, tuple[int, int]]:
    """Return (width, height) of every picture by path. Raises JobFault with all that is wrong."""
    from atelierd.images import DEFAULT_LIMITS, ImageLimits, probe
    from atelierd.jobs.expand import inputs

    limits = ImageLimits(here.settings.max_pixels) if here.settings else DEFAULT_LIMITS
    sizes: dict[str, tuple[int, int]] = {}
    faults = []
    for path in inputs(renders):
        try:
            with os.fdopen(root.open_file(PurePosixPath(path)), "rb") as file:
                info = probe(file, path, limits)
        except JobFault as fault:
            faults.append(str(fault))
        else:
            sizes[path] = (info.width, info.height)
    if faults:
        raise JobFault("\n".join(faults))
    return sizes


def _listed(numbers: Sequence[int]) -> str:
    """Return `1-3, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    text = ", ".join("-".join(map(str, run)) for run in runs)
    return plain(text, 60).plain
