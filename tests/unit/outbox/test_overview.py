from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import WorldFault
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, NewJob, NewRender, Progress
from atelierd.ledger.states import JobState
from atelierd.outbox.overview import (
    LISTED_AT_MOST,
    OverviewWriter,
    WaitingFile,
    build_overview,
    job_status,
)
from atelierd.outbox.prospects import Prospect
from atelierd.schedule.timetable import Wishes

AddJob = Callable[..., JobRow]
UNFINISHED = (JobState.QUEUED, JobState.RUNNING, JobState.HELD)


def overview(
    ledger: Ledger, waiting: list[WaitingFile] | None = None, trouble: list[str] | None = None
) -> dict[str, Any]:
    jobs = ledger.jobs(UNFINISHED)
    return build_overview(
        unfinished=jobs,
        renders={job.id: ledger.renders(job.id) for job in jobs},
        counts=ledger.counts(),
        waiting=waiting or [],
        trouble=trouble or [],
    )


def test_without_a_worker_at_hand_the_time_left_is_what_the_last_report_expected(
    ledger: Ledger, add_job: AddJob
) -> None:
    add_job("a1")
    ledger.begin_attempt("a1.0", 1)
    ledger.progress("a1.0", Progress(20, 25, 1.5e6, 4.0, 0, 0, expected_seconds=90.0))
    ((render,),) = (job["renders"] for job in overview(ledger)["running"])
    assert render["seconds_left"] == 86, "the scales to come are slower: not 4 s / 20 x 180"


def test_the_overview_sorts_jobs_by_what_they_wait_for(ledger: Ledger, add_job: AddJob) -> None:
    for job_id, name in [("a1", "running"), ("a2", "queued"), ("a3", "held"), ("a4", "done")]:
        add_job(job_id, name)
    ledger.begin_attempt("a1.0", 1)
    ledger.progress("a1.0", Progress(50, 60, 1.5e6, 100.0, 1, 1))
    ledger.hold_job("a3")
    ledger.finish_render("a4.0")
    since = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
    made = overview(ledger, [WaitingFile("x.yaml", "waiting for art/starry.jpg", since)])
    assert made["state"] == "working"
    assert made["queue"] == [
        {"job": "queued", "name": "queued", "state": "queued", "reason": "", "priority": 0}
    ]
    (running,) = made["running"]
    (render,) = running["renders"]
    assert (render["iteration"], render["iterations"], render["seconds_left"]) == (50, 200, 300)
    assert [job["job"] for job in made["held"]] == ["held"]
    assert made["waiting"] == [
        {
            "file": "x.yaml",
            "reason": "waiting for art/starry.jpg",
            "since": "2026-03-01T22:00:00+00:00",
        }
    ]
    assert made["jobs"] == {
        "queued": 1, "running": 1, "held": 1, "done": 1, "failed": 0, "cancelled": 0
    }  # fmt: skip


def test_an_idle_daemon_says_so_and_a_paused_one_why(ledger: Ledger) -> None:
    assert overview(ledger)["state"] == "idle"
    paused = overview(ledger, trouble=["/mnt/share: the share is not connected"])
    assert paused["state"] == "paused"
    assert paused["trouble"] == ["/mnt/share: the share is not connected"]


def test_a_long_queue_is_counted_and_its_beginning_listed(ledger: Ledger, add_job: AddJob) -> None:
    job = add_job("a1")
    made = build_overview(
        unfinished=[job] * (LISTED_AT_MOST + 50),
        renders={},
        counts=ledger.counts(),
        waiting=[WaitingFile("x", "y", job.accepted_at)] * (LISTED_AT_MOST + 50),
        trouble=[],
    )
    assert len(made["queue"]) == LISTED_AT_MOST
    assert len(made["waiting"]) == LISTED_AT_MOST
    assert made["waiting_files"] == LISTED_AT_MOST + 50


def test_a_jobs_status_tells_of_each_render(ledger: Ledger, add_job: AddJob) -> None:
    add_job("a1", renders=3)
    ledger.fail_render("a1.0", "bad")
    ledger.begin_attempt("a1.1", 1)
    ledger.progress("a1.1", Progress(10, 12, float("inf"), 20.0, 0, 0))
    status = job_status(ledger.job("a1"), ledger.renders("a1"))
    assert status["state"] == "running"
    assert status["finished"] is None
    assert status["renders"][0]["reason"] == "bad"
    assert status["renders"][1]["objective"] is None
    assert status["renders"][1]["seconds_per_iteration"] == 2.0
    assert status["renders"][2] == {"title": "picture 2", "state": "queued"}
    json.dumps(status, allow_nan=False)


def test_a_jobs_status_has_its_settings_as_they_were_resolved(
    ledger: Ledger, add_job: AddJob
) -> None:
    render = NewRender("picture", "{}", 200)
    settings = json.dumps({"size": 64, "minimizer": "adam"})
    moment = add_job("a1").submitted_at
    new = NewJob("a2", "x", "x.yaml", moment, "0", settings=settings, renders=(render,))
    job = ledger.add_job(new)
    assert job_status(job, ledger.renders("a2"))["settings"] == {"size": 64, "minimizer": "adam"}


@pytest.fixture
def seconds() -> list[float]:
    return [0.0]


@pytest.fixture
def writer(outbox: Path, seconds: list[float]) -> OverviewWriter:
    return OverviewWriter(
        outbox,
        timedelta(seconds=10),
        monotonic=lambda: seconds[0],
        clock=lambda: datetime(2026, 3, 1, 22, 0, tzinfo=UTC),
    )


def test_the_overview_is_written_when_it_has_changed_and_not_too_often(
    outbox: Path, writer: OverviewWriter, seconds: list[float]
) -> None:
    assert writer.offer({"state": "idle"})
    seconds[0] = 5.0
    assert not writer.offer({"state": "working"})
    seconds[0] = 10.0
    assert writer.offer({"state": "working"})
    seconds[0] = 100.0
    assert not writer.offer({"state": "working"})
    assert json.loads((outbox / "status.json").read_text()) == {
        "written": "2026-03-01T22:00:00+00:00",
        "state": "working",
    }


def test_an_overview_that_could_not_be_written_is_written_when_the_share_is_back(
    outbox: Path, writer: OverviewWriter, tmp_path: Path
) -> None:
    outbox.rename(tmp_path / "away")
    with pytest.raises(WorldFault):
        writer.offer({"state": "idle"})
    (tmp_path / "away").rename(outbox)
    assert writer.offer({"state": "idle"})


def test_what_is_to_be_expected_stands_beside_each_job(ledger: Ledger) -> None:
    ends = datetime(2026, 12, 1, 3, 40, tzinfo=UTC)
    wishes = Wishes(ends, "night", ends)
    ledger.add_job(
        NewJob(
            id="a9",
            name="wishing",
            source="job.yaml",
            submitted_at=ends,
            job_file_sha256="0",
            wishes=wishes,
            renders=(NewRender("picture", "{}", 200),),
        )
    )
    prospects = {"a9": Prospect("waits until Tuesday 03:40", ends, is_late=True, waits=True)}
    made = build_overview(
        unfinished=ledger.jobs(),
        renders={},
        counts=ledger.counts(),
        waiting=(),
        trouble=(),
        prospects=prospects,
    )
    assert made["state"] == "resting"
    (line,) = made["queue"]
    assert line["expected"] == "waits until Tuesday 03:40" and line["late"] is True
    assert line["expected_end"] == line["not_before"] == line["deadline"]
    assert line["window"] == "night"
    told = job_status(ledger.job("a9"), ledger.renders("a9"), {}, prospects)
    assert told["expected"] == "waits until Tuesday 03:40"
