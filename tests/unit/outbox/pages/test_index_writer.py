from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import WorldFault
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.ledger.states import JobState
from atelierd.outbox.overview import WaitingFile
from atelierd.outbox.pages import index_writer
from atelierd.outbox.pages.index_writer import LIVE_EVERY, PAGE_EVERY, IndexWriter, Situation
from atelierd.outbox.prospects import Prospect

NewJob = Callable[..., JobRow]
Work = Callable[..., None]
WHEN = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
UNFINISHED = (JobState.QUEUED, JobState.RUNNING, JobState.HELD)


class Desk:
    """What the daemon does for the page."""

    def __init__(self, outbox: Path, ledger: Ledger) -> None:
        self.outbox, self.ledger = outbox, ledger
        self.now = 0.0
        self.writer = IndexWriter(ledger, outbox, lambda: self.now, lambda: WHEN)

    def show(
        self,
        state: str = "idle",
        waiting: tuple[WaitingFile, ...] = (),
        *,
        until: float = 1e9,
        last: bool = False,
    ) -> None:
        self.now += LIVE_EVERY.total_seconds()
        unfinished = self.ledger.jobs(UNFINISHED)
        self.writer.show(Situation(state, unfinished, waiting, (), {}), until, last=last)

    def finish(self, job: JobRow) -> None:
        """Leave the job's folder, as its publishing does."""
        (self.outbox / job.folder).mkdir()
        self.writer.changed()

    def read(self, name: str = "index.html") -> str:
        return (self.outbox / name).read_text()

    @property
    def gallery(self) -> list[str]:
        return re.findall(r'<li data-key="([^"]*)" data-version', self.read())


@pytest.fixture
def desk(outbox: Path, ledger: Ledger) -> Desk:
    return Desk(outbox, ledger)


def test_the_page_is_there_before_the_first_job(desk: Desk) -> None:
    desk.show()
    assert "Nothing is being painted" in desk.read()
    names = sorted(path.name for path in (desk.outbox / "index_files").iterdir())
    assert names == ["gallery.js", "live.js"]


def test_progress_goes_to_the_script_and_now_and_then_to_the_page(
    desk: Desk, new_job: NewJob, work: Work
) -> None:
    new_job()
    desk.show()
    work("a1.0", 50)
    desk.show("working")
    assert "iteration 50 of 200" in desk.read("index_files/live.js")
    assert "iteration 50 of 200" not in desk.read()
    desk.now += PAGE_EVERY.total_seconds()
    desk.show("working")
    assert "iteration 50 of 200" in desk.read()


def test_nothing_is_written_while_nothing_changes(desk: Desk) -> None:
    desk.show()
    before = {path: path.stat().st_mtime_ns for path in desk.outbox.rglob("*")}
    for _ in range(50):
        desk.show()
    assert {path: path.stat().st_mtime_ns for path in desk.outbox.rglob("*")} == before


def test_between_two_writes_there_is_a_pause(desk: Desk, new_job: NewJob) -> None:
    desk.show()
    new_job()
    desk.writer.show(Situation("idle", (), (), ("trouble",), {}), 1e9)
    assert "trouble</p>" not in desk.read("index_files/live.js")


def test_finished_jobs_are_shown_the_newest_first(desk: Desk, new_job: NewJob, work: Work) -> None:
    for job_id in ("a1", "a2", "a3"):
        desk.finish(new_job(job_id, f"job {job_id}"))
    for job_id in ("a2", "a3", "a1"):
        work(f"{job_id}.0")
    desk.show()
    assert desk.gallery == ["a1", "a3", "a2"]


def test_a_job_whose_folder_was_taken_away_leaves_the_page(
    desk: Desk, new_job: NewJob, work: Work
) -> None:
    job = new_job()
    desk.finish(job)
    work("a1.0")
    desk.show()
    assert desk.gallery == ["a1"]
    (desk.outbox / job.folder).rmdir()
    desk.now += 60
    desk.show()
    assert desk.gallery == []


def test_a_job_that_is_tried_again_leaves_the_finished_ones(desk: Desk, new_job: NewJob) -> None:
    desk.finish(new_job())
    desk.ledger.fail_render("a1.0", "out of memory")
    desk.show()
    assert desk.gallery == ["a1"]
    desk.ledger.retry_job("a1")
    desk.writer.changed()
    desk.show()
    assert desk.gallery == []
    assert "Next in line" in desk.read()


def test_older_jobs_are_counted(
    desk: Desk, new_job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_writer, "GALLERY_AT_MOST", 3)
    for number in range(5):
        desk.finish(new_job(f"a{number}", f"job {number}", failure="no"))
    desk.show()
    assert desk.gallery == ["a4", "a3", "a2"]
    assert "2 older jobs are not shown here" in desk.read()


def test_a_gallery_is_built_in_pieces_and_shown_when_it_is_whole(
    desk: Desk, new_job: NewJob, ledger: Ledger, outbox: Path
) -> None:
    for number in range(4):
        desk.finish(new_job(f"a{number}", f"job {number}", failure="no"))
    ticks = iter(range(1000))
    writer = IndexWriter(ledger, outbox, lambda: float(next(ticks)), lambda: WHEN)
    turns = 0
    while not (outbox / "index.html").exists():
        at = float(next(ticks))
        writer.show(Situation("idle", (), (), (), {}), until=at + 4)
        turns += 1
    assert turns > 1
    assert len(desk.gallery) == 4


def test_the_queue_is_shown_in_the_order_of_its_priorities(desk: Desk, new_job: NewJob) -> None:
    for number, priority in ((1, 0), (2, 0), (3, 9)):
        new_job(f"a{number}", f"job {number}", priority=priority)
    desk.show()
    assert re.findall(r'<li data-key="(a\d)">', desk.read()) == ["a3", "a1", "a2"]


def test_the_last_word_is_that_the_daemon_is_stopped(
    desk: Desk, new_job: NewJob, work: Work
) -> None:
    new_job()
    work("a1.0", 50)
    desk.show("working", (WaitingFile("x.yaml", "being copied", WHEN),))
    desk.show("stopped", last=True)
    assert "The daemon is stopped" in desk.read()
    assert "The daemon is stopped" in desk.read("index_files/live.js")


def test_where_somebody_has_taken_the_name_the_page_does_without_its_scripts(desk: Desk) -> None:
    (desk.outbox / "index_files").write_text("mine")
    desk.show()
    assert "Nothing is being painted" in desk.read()
    assert (desk.outbox / "index_files").read_text() == "mine"


def test_rule_11_nothing_is_written_where_the_share_is_gone(
    desk: Desk, tmp_path: Path, markup: Any
) -> None:
    desk.outbox.rename(tmp_path / "the share")
    desk.outbox.mkdir()
    with pytest.raises(WorldFault):
        desk.show()
    assert list(desk.outbox.iterdir()) == []
    (desk.outbox).rmdir()
    (tmp_path / "the share").rename(desk.outbox)
    desk.show()
    assert "Idle" in markup(desk.read()).text


def test_jobs_say_what_is_to_be_expected_of_them(
    desk: Desk, ledger: Ledger, new_job: NewJob, work: Work
) -> None:
    new_job("a1", "first")
    new_job("a2", "second")
    work("a1.0", 50)
    prospects = {"a1": Prospect("done Tuesday 03:40"), "a2": Prospect("<b>waits")}
    unfinished = ledger.jobs(UNFINISHED)
    desk.writer.show(Situation("resting", unfinished, (), (), {}, prospects), 1e9)
    page = desk.read()
    assert "done Tuesday 03:40" in page and "&lt;b&gt;waits" in page
    assert "Waiting for its hours" in page
