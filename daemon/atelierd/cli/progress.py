"""What a command shows while it works: bars on a terminal, a few lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from atelierd.cli import words
from atelierd.cli.terminal import is_live, plain, say
from atelierd.render.estimate import pace, seconds_left
from atelierd.render.live import LiveRender, TraceEntry
from atelierd.weights.download import Progress as DownloadProgress


class RenderProgress:
    """One render: a bar with the iteration, the objective, the pace and the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = is_live(console)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[size]}", style="cyan"),
            TextColumn("{task.fields[objective]}", style="magenta"),
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.fields[left]} left", style="green"),
            console=console,
            disable=not self._live,
            transient=True,
        )

    def __enter__(self) -> Self:
        """Begin to show."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Take the bar away; the lines stay."""
        self._bar.stop()

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        say(self._console, plain(text, 2_000, "dim"))

    def begin(self, title: str, render: LiveRender) -> None:
        """Show the bar of a render."""
        self._task = self._bar.add_task(
            plain(title, 60).plain,
            total=render.plan.iterations,
            size="",
            objective="",
            pace="",
            left=words.clock(None),
        )

    def iterated(self, render: LiveRender, entry: TraceEntry) -> None:
        """Show what an iteration came to."""
        trace = render.course.trace
        self._bar.update(
            self._task,
            completed=entry.iteration,
            size=f"{entry.width} x {entry.height}",
            objective=words.objective(entry.value),
            pace=words.pace(pace(render.plan, trace)),
            left=words.clock(seconds_left(render.plan, trace)),
        )

    def stopping(self) -> None:
        """Show that the iteration under way is the last one."""
        for task in self._bar.task_ids:
            self._bar.update(task, description="stopping after this iteration")

    def wrote(self, render: LiveRender, path: Path) -> None:
        """Say that a picture was written."""
        entry = render.course.trace[-1]
        self.say(
            f"iteration {entry.iteration} of {render.plan.iterations}, objective "
            f"{words.objective(entry.value)}, {words.clock(entry.seconds)}: {path}"
        )


@contextmanager
def download_progress(console: Console) -> Iterator[DownloadProgress]:
    """Give a function that shows how much of each source has come."""
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not is_live(console),
        transient=True,
    ) as bar:
        tasks = {}

        def show(title: str, done: int, total: int | None) -> None:
            if title not in tasks:
                tasks[title] = bar.add_task(plain(title, 60).plain, total=total)
                say(console, plain(f"asking for {title}", style="dim"))
            bar.update(tasks[title], completed=done, total=total)

        yield show
