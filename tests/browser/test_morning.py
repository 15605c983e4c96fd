"""The morning report of a real outbox, as people open it."""

from __future__ import annotations

import shutil
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from tests.browser.conftest import DESK, PHONE, OpenPage, Scheme
from tests.browser.test_accessibility import violations

from atelierd.ledger import Ledger
from atelierd.outbox.morning import MorningReports
from atelierd.outbox.overview import WaitingFile


@pytest.fixture(scope="module")
def report(painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of all that `painted` has finished, beside a copy of the outbox."""
    folder = tmp_path_factory.mktemp("morning")
    for name in ("share", "state"):
        shutil.copytree(painted / name, folder / name)
    outbox = folder / "share" / "outbox"
    ledger = Ledger.open(folder / "state" / "ledger.sqlite")
    # Soon after the last job, whatever the hour: midnight may have passed meanwhile.
    morning = max(job.finished_at for job in ledger.jobs() if job.finished_at)
    morning += timedelta(minutes=1)
    waiting = [WaitingFile("<i>late</i>.yaml", "waiting for big.tif", morning)]
    reports = MorningReports(ledger, outbox, morning.time(), UTC)
    for _ in range(100):
        reports.turn(morning, 0.0, waiting, ["the disk is full"])
    ledger.close()
    (page,) = (outbox / "reports").glob("*.html")
    return page


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESK), ("dark", DESK), ("light", PHONE)], ids=str
)
def test_nothing_keeps_anybody_out(
    open_page: OpenPage, report: Path, axe: str, scheme: Scheme, size: object
) -> None:
    page = open_page(report.parent.as_uri(), report.name, scheme=scheme, size=size)
    assert violations(page, axe) == []


def test_it_can_be_mailed_for_its_pictures_are_in_it(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "report.html"
    alone.write_bytes(report.read_bytes())
    page = open_page(tmp_path.as_uri(), alone.name)
    pictures = page.locator(".gallery img")
    assert pictures.count() >= 2
    for index in range(pictures.count()):
        pictures.nth(index).scroll_into_view_if_needed()
        assert pictures.nth(index).evaluate(
            "image => image.decode().then(() => image.naturalWidth)"
        )


def test_it_leads_to_the_reports_of_its_jobs_and_back(open_page: OpenPage, report: Path) -> None:
    page = open_page(report.parents[1].as_uri(), f"reports/{report.name}")
    page.locator(".card h3 a").first.click()
    assert page.url.endswith("/report.html")
    page.go_back()
    page.get_by_role("link", name="What is going on now").click()
    assert page.url.endswith("/index.html")
