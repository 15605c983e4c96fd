"""What the daemon is doing, kept up to date at the bottom of a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from atelierd.announcer import Glance
from atelierd.cli import words
from atelierd.cli.terminal import grid, plain
from atelierd.dispatch.dispatcher import Working
from atelierd.render.segment import SegmentReport
from atelierd.settings import Settings

#: Files that wait in the inbox and are listed; the others are counted.
WAITING_LISTED = 5
BAR_WIDTH = 24
#: Columns below which the bar is left out.
NARROW = 100


class Board:
    """A display for `Service`'s watcher; log lines written to its console appear above it."""

    def __init__(
        self, console: Console, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._console = console
        self._settings = settings
        self._clock = clock
        self._glance = Glance((), 0, (), ())
        self._paces: dict[str, _Pace] = {}
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console,
            get_renderable=lambda: self.picture(),
            refresh_per_second=4,
            transient=True,
        )

    def __enter__(self) -> Self:
        """Begin to show."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was, the log lines in it."""
        self._live.stop()

    def watch(self, glance: Glance) -> None:
        """Take note of what the daemon does now."""
        now = self._clock()
        paces = {}
        for working in glance.working:
            pace = paces[working.render.id] = self._paces.get(working.render.id) or _Pace()
            pace.take(working, now)
        self._paces = paces
        self._glance = glance

    def picture(self) -> RenderableType:
        """Return the display as of now."""
        glance = self._glance
        lines: list[RenderableType] = [Text("─" * self._console.width, style="dim")]
        if glance.working:
            lines += [self._work(working) for working in glance.working]
            lines.append(self._queue())
        elif glance.resting:
            lines.append(plain(glance.resting, style="dim"))
        elif not glance.trouble:
            lines.append(plain(f"idle; drop a job file into {self._settings.inbox}", style="dim"))
        lines += [plain(f"paused: {trouble}", 2_000, "bold red") for trouble in glance.trouble]
        lines += self._waiting(glance)
        return Group(*lines)

    def _work(self, working: Working) -> RenderableType:
        render, report = working.render, working.report
        narrow = self._console.width < NARROW
        row = Table.grid(padding=(0, 2))
        row.add_column(no_wrap=True)
        row.add_column(no_wrap=True, overflow="ellipsis", ratio=None if narrow else 1)
        title = plain(f"{working.job.folder} › {render.title}", style="bold")  # noqa: RUF001
        if report is None:
            row.add_row(self._spinner, title, Text("weights, pictures, first iterations", "dim"))
            return row
        pace = self._paces[render.id]
        done = f"{report.iteration}/{report.iterations}"
        bar = ProgressBar(report.iterations, report.iteration, width=BAR_WIDTH)
        details = [
            Text(done),
            Text(f"{report.width} x {report.height}", "cyan"),
            Text(words.objective(report.objective), "magenta"),
            Text(words.pace(pace.seconds)),
            Text(f"{words.clock(pace.left(self._clock()))} left", "green"),
        ]
        if narrow:
            row.add_row(self._spinner, title)
            below = Table.grid(padding=(0, 2))
            below.add_row("", *details)
            return Group(row, below)
        row.add_row(self._spinner, title, bar, *details)
        return row

    def _queue(self) -> RenderableType:
        queued = self._glance.queued
        return Text(
            f"   {words.count(queued, 'more render')} in the queue" if queued else "", "dim"
        )

    def _waiting(self, glance: Glance) -> list[RenderableType]:
        if not glance.waiting:
            return []
        table = grid("", "")
        for file in glance.waiting[:WAITING_LISTED]:
            table.add_row(Text("waits", "yellow"), plain(file, 500))
        more = len(glance.waiting) - WAITING_LISTED
        if more > 0:
            table.add_row("", Text(f"and {words.count(more, 'more file')}", "dim"))
        return [table]


class _Pace:
    """Seconds an iteration of one render, from one report to the next, and those that are left."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._report: SegmentReport | None = None
        self._reported_at = 0.0

    def take(self, working: Working, now: float) -> None:
        """Take note of the newest report; `now` is monotonic."""
        report, before = working.report, self._report
        if report is before:
            return
        self._report, self._reported_at = report, now
        if report is None:
            self.seconds = None
        elif before is None:
            self.seconds = report.seconds / report.iteration if report.iteration else None
        elif report.phase == before.phase and report.iteration > before.iteration:
            spent = report.seconds - before.seconds
            self.seconds = spent / (report.iteration - before.iteration)

    def left(self, now: float) -> float | None:
        """Count down between reports: on a slow machine they are minutes apart."""
        if self._report is None or self._report.seconds_left is None:
            return None
        return self._report.seconds_left - (now - self._reported_at)
