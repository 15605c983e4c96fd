"""What people see in the outbox follows the ledger, and what they ask for is answered."""

from __future__ import annotations

import errno
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import WorldFault
from atelierd.jobs.frozen import job_file_path
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, NewJob, NewRender, Progress
from atelierd.ledger.states import Action, JobState
from atelierd.outbox import desk
from atelierd.outbox.desk import Desk
from atelierd.share import MARKER_NAME

JOB_FILE = b"content: skyline.jpg\nstyle: starry.jpg\n"


def render_spec(title: str) -> str:
    """One render as acceptance writes it."""
    style = {"path": "art/starry.png", "sha256": "b" * 64, "share": 1.0}
    settings = {
        "preset": "default",
        "engine": "torch",
        "network": "vgg16",
        "size": 512,
        "crop": "none",
        "iterations": 200,
        "snapshots": 5,
        "scales": "auto",
        "content_weight": 5.0,
        "style_weight": 1.0,
        "tv_weight": 1.0,
        "decay": 0.5,
        "init": "content",
        "seed": 1,
        "minimizer": "lbfgs",
        "precision": "auto",
        "channel_order": "bgr",
        "rounding": "round",
        "output_format": "png",
        "output_quality": 95,
    }
    content = {"path": "photo.png", "sha256": "a" * 64}
    spec = {"title": title, "content": content, "styles": [style], "init": None}
    return json.dumps(spec | {"settings": settings})


class Bench:
    """A desk under a clock that the test moves."""

    def __init__(self, ledger: Ledger, outbox: Path, state: Path) -> None:
        self.ledger = ledger
        self.outbox = outbox
        self.state = state
        self.now = 1000.0
        self.step = 0.0
        self.start_anew()

    def start_anew(self) -> None:
        self.desk = Desk(self.ledger, self.outbox, self.state, self._clock)

    def _clock(self) -> float:
        self.now += self.step
        return self.now

    def add(self, job_id: str, spec: str | None = None, failure: str | None = None) -> JobRow:
        path = job_file_path(self.state, job_id)
        path.parent.mkdir(parents=True)
        path.write_bytes(JOB_FILE)
        render = NewRender(job_id, spec or render_spec(job_id), 200)
        job = self.ledger.add_job(
            NewJob(
                id=job_id,
                name=job_id,
                source=f"anna/{job_id}.yaml",
                submitted_at=datetime(2026, 3, 1, 21, 0, tzinfo=UTC),
                job_file_sha256="0",
                renders=() if failure else (render,),
                failure=failure,
            )
        )
        self.desk.changed(job_id)
        return job

    def turn(self, after: float = 0.0, box: float = 100.0) -> None:
        self.now += after
        self.desk.turn((), (), self.now + box)

    def status(self, job_id: str) -> dict[str, Any]:
        folder = self.ledger.job_by_id(job_id).folder
        found: dict[str, Any] = json.loads((self.outbox / folder / "status.json").read_text())
        return found

    def advance(self, job_id: str, iteration: int) -> None:
        self.ledger.progress(f"{job_id}.0", Progress(iteration, iteration, 1.0, 1.0, 0, 0))
        self.desk.changed(job_id)

    def fail(self, job_id: str) -> None:
        self.ledger.fail_render(f"{job_id}.0", "photo.png is broken")
        self.desk.changed(job_id)


@pytest.fixture
def bench(ledger: Ledger, outbox: Path, tmp_path: Path) -> Bench:
    return Bench(ledger, outbox, tmp_path / "state")


def test_a_new_job_gets_its_folder_at_the_next_turn(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    assert bench.status("a")["state"] == "queued"
    assert (bench.outbox / "a" / "job.original.yaml").read_bytes() == JOB_FILE
    assert json.loads((bench.outbox / "status.json").read_text())["state"] == "idle"
    assert not bench.desk.is_behind


def test_a_new_state_is_shown_at_once_and_progress_now_and_then(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.ledger.begin_attempt("a.0", 1)
    bench.advance("a", 3)
    bench.turn(0.1)
    assert bench.status("a")["state"] == "running"
    assert bench.status("a")["renders"][0]["iteration"] == 3
    bench.advance("a", 4)
    bench.turn(0.1)
    assert bench.status("a")["renders"][0]["iteration"] == 3 and bench.desk.is_behind
    bench.turn(5.0)
    assert bench.status("a")["renders"][0]["iteration"] == 4
    bench.ledger.finish_render("a.0")
    bench.desk.changed("a")
    bench.turn(0.1)
    assert bench.status("a")["state"] == "done"


def test_the_reason_of_a_failure_lies_beside_the_job_until_it_is_retried(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.fail("a")
    bench.turn()
    assert "photo.png is broken" in (bench.outbox / "a" / "error.txt").read_text()
    (bench.outbox / "a" / "retry").touch()
    bench.turn(10)
    assert not (bench.outbox / "a" / "error.txt").exists()
    assert not (bench.outbox / "a" / "retry").exists()
    assert bench.status("a")["state"] == "queued"


def test_control_files_are_obeyed_and_answered(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    answer = bench.outbox / "a" / "answer.txt"
    for name, state in (("hold", "held"), ("Release.txt", "queued"), ("cancel", "cancelled")):
        (bench.outbox / "a" / name).touch()
        bench.turn(10)
        assert answer.read_text().endswith(f"a is {state} now\n")
        assert bench.status("a")["state"] == state
        assert not (bench.outbox / "a" / name).exists()
    (bench.outbox / "a" / "hold").touch()
    bench.turn(10)
    assert "nothing to hold" in answer.read_text() and "retry" in answer.read_text()


def test_what_a_folder_asks_for_that_is_not_the_jobs_is_not_heard(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    (bench.outbox / "a").rename(bench.outbox / "taken away")
    (bench.outbox / "a").mkdir()
    (bench.outbox / "a" / "cancel").touch()
    bench.turn(10)
    assert bench.ledger.job_by_id("a").state is JobState.QUEUED
    assert (bench.outbox / "a" / "cancel").exists()


def test_requests_of_other_processes_are_answered(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    asked = bench.ledger.request(Action.HOLD, "a")
    bench.turn()
    assert bench.ledger.request_answer(asked) == "a is held now"
    assert bench.status("a")["state"] == "held"


def test_rule_18_a_folder_that_cannot_be_written_hides_no_other(bench: Bench) -> None:
    for job in ("a", "b", "c"):
        bench.add(job)
    (bench.outbox / "a").mkdir()
    bench.turn()
    in_the_way = bench.outbox / "b" / "status.json"
    in_the_way.unlink()
    in_the_way.mkdir()
    for job in ("a", "b", "c"):
        bench.ledger.act(Action.HOLD, job)
        bench.desk.changed(job)
    for _ in range(2):
        with pytest.raises(WorldFault, match="cannot be written"):
            bench.turn(10)
    assert bench.status("a")["state"] == bench.status("c")["state"] == "held"
    assert json.loads((bench.outbox / "status.json").read_text())["jobs"]["held"] == 3
    assert bench.desk.is_behind
    in_the_way.rmdir()
    bench.turn(10)
    assert bench.status("b")["state"] == "held" and not bench.desk.is_behind


def test_a_job_file_that_the_disk_cannot_read_ends_nothing_and_hides_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job in ("a", "b"):
        bench.add(job)
    read = Path.read_bytes

    def reading(path: Path) -> bytes:
        if path == job_file_path(bench.state, "a"):
            raise OSError(errno.EUCLEAN, "Structure needs cleaning")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", reading)
        with pytest.raises(WorldFault, match="needs cleaning"):
            bench.turn()
    assert bench.status("b")["state"] == "queued" and bench.desk.is_behind
    bench.turn()
    assert bench.status("a")["state"] == "queued"


def test_an_answer_that_cannot_be_written_keeps_no_other_job_waiting(bench: Bench) -> None:
    for job in ("a", "b"):
        bench.add(job)
    bench.turn()
    (bench.outbox / "a" / "answer.txt").mkdir()
    for job in ("a", "b"):
        (bench.outbox / job / "hold").touch()
    with pytest.raises(WorldFault):
        bench.turn(10)
    assert bench.status("b")["state"] == "held"
    assert (bench.outbox / "b" / "answer.txt").read_text() == "hold: b is held now\n"


def test_what_a_control_file_asks_for_is_done_once_however_late_it_is_answered(
    bench: Bench,
) -> None:
    bench.add("a")
    bench.turn()
    bench.fail("a")
    bench.turn()
    folder = bench.outbox / "a"
    (folder / "answer.txt").mkdir()
    (folder / "retry").touch()
    with pytest.raises(WorldFault):
        bench.turn(10)
    assert bench.ledger.job_by_id("a").state is JobState.QUEUED
    bench.fail("a")
    with pytest.raises(WorldFault):
        bench.turn(10)
    assert bench.ledger.job_by_id("a").state is JobState.FAILED, "it was asked for once"
    (folder / "retry").unlink()
    bench.turn(10)
    (folder / "retry").touch()
    (folder / "answer.txt").rmdir()
    bench.turn(10)
    assert bench.ledger.job_by_id("a").state is JobState.QUEUED, "it was asked for again"
    assert (folder / "answer.txt").read_text() == "retry: a is queued now\n"
    assert not (folder / "retry").exists()


def test_rule_11_while_the_share_is_gone_nothing_is_written_and_nothing_forgotten(
    bench: Bench,
) -> None:
    marker = bench.outbox / MARKER_NAME
    content = marker.read_bytes()
    marker.unlink()
    bench.add("a")
    for _ in range(3):
        with pytest.raises(WorldFault, match="marker"):
            bench.turn(10)
    assert list(bench.outbox.iterdir()) == []
    marker.write_bytes(content)
    bench.turn(10)
    assert bench.status("a")["state"] == "queued"


def test_rule_11_the_second_end_of_a_job_is_shown_when_the_share_is_back(bench: Bench) -> None:
    bench.add("a")
    bench.fail("a")
    bench.turn()
    bench.ledger.act(Action.RETRY, "a")
    bench.desk.changed("a")
    bench.turn()
    away = bench.outbox.rename(bench.outbox.with_name("away"))
    bench.outbox.mkdir()
    bench.ledger.act(Action.CANCEL, "a")
    bench.desk.changed("a")
    with pytest.raises(WorldFault, match="mounted"):
        bench.turn(10)
    assert bench.desk.is_behind and list(bench.outbox.iterdir()) == []
    bench.outbox.rmdir()
    away.rename(bench.outbox)
    bench.turn(10)
    assert bench.status("a")["state"] == "cancelled"


def test_a_turn_ends_when_its_time_is_over_and_the_next_goes_on(bench: Bench) -> None:
    names = [f"job{i:02d}" for i in range(30)]
    for job in names:
        bench.add(job)
    bench.step = 0.01
    shown = []
    while bench.desk.is_behind:
        bench.turn(0.1, box=0.5)
        shown.append(sum((bench.outbox / job).exists() for job in names))
        assert len(shown) < 60
    assert shown[0] < 30 and shown[-1] == 30
    assert shown == sorted(shown)


def test_rule_20_after_a_restart_everything_is_shown_as_the_ledger_has_it(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.turn()
    bench.ledger.act(Action.HOLD, "a")
    bench.ledger.fail_render("b.0", "photo.png is broken")  # and killed before it was shown
    bench.start_anew()
    bench.turn()
    assert bench.status("a")["state"] == "held" and bench.status("b")["state"] == "failed"
    assert (bench.outbox / "b" / "error.txt").exists()


def test_rule_20_of_however_many_jobs_each_is_shown_that_was_not_before_a_restart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "FINISHED_LOOKED_AT", 2)
    for number in range(6):
        bench.add(f"job{number}", failure="line 3: style: missing")
    bench.turn(box=-1.0)
    bench.start_anew()
    bench.turn()
    for number in range(6):
        assert (bench.outbox / f"job{number}" / "error.txt").exists()
    # What was shown is the people's: of a long past only the newest are looked at again.
    for number in range(6):
        (bench.outbox / f"job{number}").rename(bench.outbox.parent / f"fetched{number}")
    job_file_path(bench.state, "job0").unlink()
    bench.start_anew()
    bench.turn()
    assert not list(bench.outbox.glob("job*"))


def test_a_finished_jobs_folder_that_was_taken_away_is_not_made_again(bench: Bench) -> None:
    bench.add("a")
    bench.turn()
    bench.ledger.begin_attempt("a.0", 1)
    bench.ledger.finish_render("a.0")
    bench.desk.changed("a")
    bench.turn()
    (bench.outbox / "a").rename(bench.outbox.parent / "fetched")
    bench.start_anew()
    bench.turn()
    assert not (bench.outbox / "a").exists() and not bench.desk.is_behind


def test_a_job_that_was_refused_has_its_reason_shown_once_the_share_is_back(bench: Bench) -> None:
    bench.add("a", failure="line 3: style: missing")
    bench.start_anew()
    bench.turn()
    assert "line 3: style: missing" in (bench.outbox / "a" / "error.txt").read_text()


def test_a_job_whose_files_were_swept_is_passed_over(bench: Bench) -> None:
    bench.add("a")
    bench.fail("a")
    job_file_path(bench.state, "a").unlink()
    bench.turn()
    assert not bench.desk.is_behind and not (bench.outbox / "a").exists()


def test_a_page_that_cannot_be_drawn_stops_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.add("old", spec='{"settings": "of an atelierd long ago"}')
    bench.add("a")
    for _ in range(3):
        bench.turn(10)
        bench.desk.changed("old")
    assert bench.status("old")["state"] == bench.status("a")["state"] == "queued"
    assert (bench.outbox / "a" / "report.html").exists()
    assert caplog.text.count("the page of old cannot be drawn") == 1
