from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from atelierd.announcer import Glance
from atelierd.cli.board import Board
from atelierd.dispatch.dispatcher import Working
from atelierd.ledger.rows import JobRow, RenderRow
from atelierd.ledger.states import JobState, RenderState
from atelierd.render.segment import SegmentReport
from atelierd.settings import Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
IDLE = Glance((), 0, (), ())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def board(clock: Clock, width: int = 160) -> Board:
    settings = Settings(inbox=Path("/share/in"), outbox=Path("/share/out"), state=Path("/state"))
    return Board(Console(file=io.StringIO(), width=width), settings, clock)


def seen(board: Board, width: int = 160) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system=None).print(board.picture())
    return stream.getvalue()


def working(report: SegmentReport | None, folder: str = "skyline") -> Working:
    job = JobRow(
        1, "id", folder, folder, "x.yaml", NOW, NOW, None, None, 0, JobState.RUNNING, "", "", ""
    )
    render = RenderRow(
        "id.0", "id", 0, "photo-painting", "", RenderState.RUNNING, "",
        1, 0, 200, 0, None, 0.0, 0, 0, NOW,
    )  # fmt: skip
    return Working(job, render, report)


def report(iteration: int, seconds: float, *, left: float = 60.0, phase: int = 0) -> SegmentReport:
    return SegmentReport(
        "id.0", 1, iteration, 200, iteration, 331114.0, seconds, 512, 384, phase,
        saved=False, finished=False, snapshots=0, log=(), seconds_left=left,
    )  # fmt: skip


def test_an_idle_daemon_says_where_to_drop_a_job(clock: Clock) -> None:
    shown = board(clock)
    shown.watch(IDLE)
    assert "idle; drop a job file into /share/in" in seen(shown)


def test_a_render_shows_how_far_it_is_and_what_it_still_takes(clock: Clock) -> None:
    shown = board(clock)
    shown.watch(Glance((working(None),), 0, (), ()))
    assert "skyline › photo-painting" in seen(shown)  # noqa: RUF001
    shown.watch(Glance((working(report(10, 20.0)),), 3, (), ()))
    shown.watch(Glance((working(report(20, 25.0)),), 3, (), ()))
    text = seen(shown)
    assert "20/200" in text
    assert "512 x 384" in text
    assert "331,114" in text
    assert "0.50 s/it" in text
    assert "1:00 left" in text
    assert "3 more renders in the queue" in text


def test_the_time_left_runs_down_between_two_reports(clock: Clock) -> None:
    shown = board(clock)
    shown.watch(Glance((working(report(1, 30.0)),), 0, (), ()))
    clock.now = 25.0
    shown.watch(Glance(shown._glance.working, 0, (), ()))
    assert "0:35 left" in seen(shown)


def test_the_pace_of_one_render_is_not_taken_for_the_nexts(clock: Clock) -> None:
    shown = board(clock)
    shown.watch(Glance((working(report(10, 20.0)),), 0, (), ()))
    other = report(2, 1.0)
    shown.watch(Glance((working(None),), 0, (), ()))
    object.__setattr__(other, "render_id", "id.1")
    shown.watch(Glance((working(other),), 0, (), ()))
    assert "0.50 s/it" in seen(shown)


def test_a_few_waiting_files_are_listed_and_the_others_counted(clock: Clock) -> None:
    shown = board(clock)
    waiting = tuple(f"{i}.yaml: waiting for art/starry.jpg, 12 min" for i in range(9))
    shown.watch(Glance((), 0, waiting, ()))
    text = seen(shown)
    assert "4.yaml: waiting for art/starry.jpg, 12 min" in text
    assert "5.yaml" not in text
    assert "and 4 more files" in text


def test_trouble_is_shown_in_full(clock: Clock) -> None:
    shown = board(clock, 60)
    shown.watch(Glance((), 0, (), ("the outbox /share/out is not there: " + "long " * 20,)))
    text = seen(shown, 60)
    assert "paused: the outbox" in text
    assert text.count("long") == 20
    assert "idle" not in text


@pytest.mark.parametrize("width", [40, 80, 99, 100, 200])
def test_it_fits_terminals_of_any_width(clock: Clock, width: int) -> None:
    shown = board(clock, width)
    shown.watch(Glance((working(report(10, 20.0), "a" * 150),), 0, (), ()))
    lines = seen(shown, width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert len(lines) <= 5


def test_nothing_in_a_name_steers_the_terminal(clock: Clock) -> None:
    shown = board(clock)
    job = working(report(10, 20.0), "[bold]\x1b[2Jname")
    shown.watch(Glance((job,), 0, ("x\x1b]0;title\x07: waits",), ("[red]\x1b[31m",)))
    text = seen(shown)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]\\x1b[2Jname" in text
