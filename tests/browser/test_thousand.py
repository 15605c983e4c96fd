"""A gallery of a thousand jobs opens at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OpenPage

from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender, Progress
from atelierd.outbox.pages.index_writer import IndexWriter, Situation
from atelierd.share import init_share

JOBS = 1000
#: Milliseconds, with all that can be seen at once drawn.
AT_MOST = 2000
SINCE = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def thousand(painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outbox with a thousand finished jobs, each with a picture of its own to load."""
    folder = tmp_path_factory.mktemp("thousand")
    init_share(folder / "share")
    outbox = folder / "share" / "outbox"
    real = Ledger.open(painted / "state" / "ledger.sqlite", read_only=True)
    (evening,) = [job for job in real.jobs() if job.name == "evening"]
    (row,) = real.renders(evening.id)
    real.close()
    picture = painted / "share" / "outbox" / "evening" / "report_files" / "0000-now-small.jpg"
    ledger = Ledger.open(folder / "ledger.sqlite")
    for number in range(JOBS):
        name = f"job {number}"
        render = NewRender(row.title, row.spec, 200)
        job = ledger.add_job(NewJob(name, name, "x.yaml", SINCE, "0", renders=(render,)))
        ledger.begin_attempt(f"{name}.0", 1)
        ledger.progress(f"{name}.0", Progress(200, 210, 1e5, 60.0, 0, 5))
        if number % 10:
            ledger.finish_render(f"{name}.0")
        else:
            ledger.fail_render(f"{name}.0", "the worker died three times: out of memory")
        files = outbox / job.folder / "report_files"
        files.mkdir(parents=True)
        shutil.copy(picture, files)
    writer = IndexWriter(ledger, outbox, lambda: 0.0)
    writer.show(Situation("idle", (), (), (), {}), until=1e9)
    ledger.close()
    return outbox


def test_a_thousand_jobs_open_at_once(
    open_page: OpenPage,
    thousand: Path,
    way: Callable[[Path], str],
    record_property: Callable[[str, object], None],
) -> None:
    base = way(thousand)
    taken = []
    for _ in range(3):
        page = open_page(base, "index.html")
        expect(page.locator("#gallery > li")).to_have_count(JOBS)
        times = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
        taken.append(times["loadEventEnd"])
        asked = page.evaluate("performance.getEntriesByType('resource').length")
        assert asked < 100, "pictures far below the window wait until they are scrolled to"
        page.close()
    record_property("milliseconds", taken)
    print(f"\na thousand jobs, {base[:5]}: {', '.join(f'{ms:.0f}' for ms in taken)} ms")  # noqa: T201
    assert min(taken) < AT_MOST


def test_a_thousand_jobs_are_filtered_at_every_key(open_page: OpenPage, thousand: Path) -> None:
    page = open_page(thousand.as_uri(), "index.html")
    page.get_by_role("searchbox").fill("job 99")
    expect(page.locator("#found")).to_have_text("19 of 1,000 jobs")
    page.get_by_role("radio", name="Failed").check(force=True)
    expect(page.locator("#found")).to_have_text("1 of 1,000 jobs")
