"""`atelierd render`: one picture, without a folder to watch and without the daemon."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atelierd.cli.configuration import ConfigOption, Surroundings, surroundings
from atelierd.cli.options import (
    JsonOption,
    PresetOption,
    SetOption,
    SizeOption,
    assignments,
    scalar,
)
from atelierd.cli.terminal import plain, say, say_json, stderr, stdout
from atelierd.exits import Exit

if TYPE_CHECKING:
    from atelierd.cli.progress import RenderProgress
    from atelierd.jobs.frozen import FrozenImage, FrozenRender
    from atelierd.render.live import LiveRender


def render(
    content: Annotated[Path, typer.Argument(metavar="CONTENT", help="The photograph to restyle.")],
    styles: Annotated[
        list[Path],
        typer.Argument(metavar="STYLE", help="The painting; several are blended into one."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the pictures go.")
    ],
    preset: PresetOption = None,
    size: SizeOption = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", "-n", min=1, show_default=False)
    ] = None,
    style_weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W...", help="The styles' weights in the blend.", show_default=False
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="CONTENT[,STYLE]",
            help="A region, white in the gray picture CONTENT, and where its style is taken from; "
            "may be given several times.",
            show_default=False,
        ),
    ] = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Render one picture here and now, and print where its files are, the result last.

    Settings and defaults are those of a job file. Ctrl-C stops after the iteration under way and
    keeps the picture so far.
    """
    from atelierd.cli.single import pair

    choices = _choices(preset, size, iterations, settings)
    shares = _shares(style_weights, len(styles))
    here = surroundings(config)
    work = pair(content, styles, choices, here.preset_folders, shares, _regions(masks or []))
    output.mkdir(parents=True, exist_ok=True)
    frozen = work.frozen.model_copy(update={"title": _free_title(output, work.frozen)})
    report = _render(here, frozen, work.open_input, output)
    if as_json:
        say_json(report)
    else:
        for file in report["files"]:
            say(stdout(), plain(file, 4_096))
    if not report["finished"]:
        raise typer.Exit(Exit.INTERRUPTED)


def _choices(
    preset: str | None, size: str | None, iterations: int | None, settings: list[str] | None
) -> dict[str, Any]:
    choices = assignments(settings or [])
    named = {
        "preset": preset,
        "size": None if size is None else scalar(size, "--size"),
        "iterations": iterations,
    }
    return choices | {key: value for key, value in named.items() if value is not None}


def _shares(text: str | None, styles: int) -> list[float]:
    """Return the weights of `4,1`. Raises typer.BadParameter."""
    if text is None:
        return []
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != styles or not all(0 < share < 1e9 for share in shares):
        raise typer.BadParameter(
            f"found {plain(text)}; expected {styles} numbers above 0 with commas between them",
            param_hint="--style-weights",
        )
    return shares


def _regions(texts: list[str]) -> list[tuple[Path, Path | None]]:
    """Return the files of `sky.png,clouds.png`. Raises typer.BadParameter."""
    regions = []
    for text in texts:
        content, comma, style = text.partition(",")
        if not content or (comma and not style):
            raise typer.BadParameter(
                f"found {plain(text)}; expected one file, or two with a comma between them",
                param_hint="--mask",
            )
        regions.append((Path(content), Path(style) if style else None))
    return regions


def _free_title(folder: Path, frozen: FrozenRender) -> str:
    """Return a title whose result is not there yet: an hour's work is not to be overwritten."""
    from atelierd.images import SUFFIXES
    from atelierd.outbox.layout import result_name

    extension = SUFFIXES[frozen.settings.output_format].lstrip(".")
    title, number = frozen.title, 1
    while (folder / result_name(title, extension)).exists():
        number += 1
        title = f"{frozen.title}-{number}"
    return title


def _render(
    here: Surroundings,
    frozen: FrozenRender,
    open_input: Callable[[FrozenImage], Path],
    output: Path,
) -> dict[str, Any]:
    """Render, and return the receipt with the files' paths and whether it came to its end."""
    from atelierd.cli.forecasts import refuse_too_large
    from atelierd.cli.progress import RenderProgress
    from atelierd.cli.weights import ensure_weights
    from atelierd.render.live import LiveRender, course_of
    from atelierd.render.memory import memory_of
    from atelierd.render.planning import planner_for, told
    from atelierd.render.products import receipt
    from atelierd.render.resident import Resident
    from atelierd.render.scene import Scene

    settings = frozen.settings
    scene = Scene(frozen, open_input)
    refuse_too_large(here, frozen, scene)
    ensure_weights(here.weight_store, settings.network)
    with RenderProgress(stderr()) as progress, _patient(progress) as stopped:
        resident = Resident(here.engine_options)
        engine = resident.engine(settings.engine, settings.network, progress.say)
        planner, source = planner_for(here.state, frozen, scene, engine)
        course = course_of(settings, scene.size(), engine)
        forecast = planner.fitting(course, memory_of(engine).available())
        progress.say(f"{told(forecast)}, by {source}")
        live = LiveRender(settings, scene, engine, progress.say, forecast.plan)
        progress.begin(frozen.title, live)
        for note in scene.notes:
            progress.say(note)
        try:
            files = _iterate(live, frozen, output, progress, stopped)
            if not live.course.trace:
                raise typer.Exit(Exit.INTERRUPTED)
            report = receipt(live, frozen, engine)
        finally:
            live.close()
            resident.close()
    return {"files": [str(file) for file in files], "finished": live.finished, **report}


def _iterate(
    live: LiveRender,
    frozen: FrozenRender,
    output: Path,
    progress: RenderProgress,
    stopped: threading.Event,
) -> list[Path]:
    """Go through the iterations, writing each snapshot that is due; return the files written."""
    from atelierd import durable
    from atelierd.images import SUFFIXES
    from atelierd.outbox.layout import result_name, snapshot_name
    from atelierd.render.products import picture_file

    extension = SUFFIXES[frozen.settings.output_format].lstrip(".")
    files: list[Path] = []
    while not stopped.is_set():
        before = live.course.iteration
        entry = live.iterate()
        progress.iterated(live, entry)
        finished = live.finished
        due = any(before < at <= entry.iteration for at in live.plan.snapshots)
        if due or stopped.is_set():
            name = snapshot_name(frozen.title, entry.iteration, extension)
            if finished:
                name = result_name(frozen.title, extension)
            else:
                live.course.shown.append(entry.iteration)
            durable.write_bytes(output / name, picture_file(live, frozen))
            progress.wrote(live, output / name)
            files.append(output / name)
        if finished:
            break
    return files


@contextmanager
def _patient(progress: RenderProgress) -> Iterator[threading.Event]:
    """Give an event that a first Ctrl-C sets; a second one ends the block at once."""
    stopped = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:  # noqa: ARG001
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        progress.stopping()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
