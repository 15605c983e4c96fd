from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.web.conftest import Client

from atelierd.inbox.owner import Ownership
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender, Progress
from atelierd.ledger.states import Outcome
from atelierd.outbox.layout import STATUS
from atelierd.settings import Settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    ledger = Ledger.open(settings.state / "ledger.sqlite")
    yield ledger
    ledger.close()


def add(ledger: Ledger, job_id: str, renders: int) -> None:
    new = tuple(NewRender(f"picture {i}", "{}", 200) for i in range(renders))
    ledger.add_job(NewJob(job_id, job_id, "x.yaml", datetime.now(UTC), "0", renders=new))


def samples(client: Client) -> dict[str, float]:
    """Return every value by its name and labels, as a monitoring program reads it."""
    answer = client.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.name + "".join(f" {label}" for label in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_the_ledger_is_told_in_numbers(client: Client, ledger: Ledger) -> None:
    add(ledger, "night", 3)
    add(ledger, "done", 1)
    ledger.begin_attempt("done.0", 1)
    ledger.progress("done.0", Progress(200, 230, 1e4, 50.0, 0, 5))
    ledger.finish_render("done.0")
    ledger.begin_attempt("night.0", 1)
    ledger.requeue_render("night.0", Outcome.NODE_FAULT, "it died")
    ledger.begin_attempt("night.0", 2)
    ledger.progress("night.0", Progress(40, 44, 1e5, 20.0, 0, 1))
    found = samples(client)
    assert found["atelierd_jobs running"] == 1
    assert found["atelierd_jobs done"] == 1
    assert found["atelierd_jobs failed"] == 0
    assert found["atelierd_renders running"] == 1
    assert found["atelierd_queue_depth"] == 2
    assert found["atelierd_seconds_per_iteration"] == 0.5
    assert found["atelierd_iterations_total"] == 240
    assert found["atelierd_evaluations_total"] == 274
    assert found["atelierd_iteration_seconds_total"] == 70.0
    assert found["atelierd_attempts_total node fault"] == 1
    assert found["atelierd_attempts_total finished"] == 1
    assert found["atelierd_worker_restarts_total"] == 1


def test_totals_never_fall_though_a_render_is_begun_anew(client: Client, ledger: Ledger) -> None:
    add(ledger, "night", 1)
    ledger.begin_attempt("night.0", 1)
    rising = []
    for iteration in (40, 10, 15, 0, 5):
        ledger.progress("night.0", Progress(iteration, iteration, 1.0, iteration / 2, 0, 0))
        rising.append(samples(client)["atelierd_iterations_total"])
    assert rising == [40, 40, 45, 45, 50]


def test_share_and_disks_are_told(client: Client, settings: Settings) -> None:
    (settings.outbox / STATUS).write_text('{"waiting_files": 3}')
    found = samples(client)
    assert found["atelierd_share_up inbox"] == found["atelierd_share_up outbox"] == 1
    assert found["atelierd_disk_floor_bytes"] == settings.share.free_space
    assert found["atelierd_disk_free_bytes outbox"] > 0
    assert found["atelierd_disk_free_bytes state"] > 0
    assert found["atelierd_inbox_waiting_files"] == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"waiting_files": "3"}', "[" * 100_000])
def test_what_others_have_written_in_place_of_the_status_does_no_harm(
    client: Client, settings: Settings, text: str
) -> None:
    (settings.outbox / STATUS).write_text(text)
    assert "atelierd_inbox_waiting_files" not in samples(client)


def test_the_daemons_memory_is_told_while_it_runs(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    found = samples(client)
    assert found["atelierd_up"] == 0
    assert "atelierd_memory_bytes daemon" not in found
    ownership = Ownership.take(
        settings.inbox, state=settings.state, runtime=tmp_path / "run", now=0.0,
        wall=datetime.now(UTC),
    )  # fmt: skip
    found = samples(client)
    ownership.release()
    assert found["atelierd_up"] == 1
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE")
    assert found["atelierd_memory_bytes daemon"] == pytest.approx(resident, rel=0.2)


def test_a_damaged_ledger_leaves_the_rest_to_be_told(client: Client, settings: Settings) -> None:
    (settings.state / "ledger.sqlite").write_bytes(b"SQLite format 3\0" + b"damaged" * 500)
    found = samples(client)
    assert "atelierd_jobs done" not in found
    assert found["atelierd_share_up outbox"] == 1
