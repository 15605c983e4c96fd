from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd.errors import WorldFault
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, Progress
from atelierd.ledger.states import Outcome
from atelierd.outbox.errors import FolderLostError
from atelierd.outbox.folder import JobFolder, open_job_folder
from atelierd.outbox.pages.writer import ReportWriter
from atelierd.outbox.publish import (
    RenderResult,
    publish_page_file,
    publish_picture,
)

NewJob = Callable[..., JobRow]
Work = Callable[..., None]
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)> ' & \u202e {{ 7*7 }} 🌃"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Share:
    """An outbox with one job, and what a daemon does with it."""

    def __init__(self, outbox: Path, ledger: Ledger, copy: bytes, receipt: dict[str, Any]) -> None:
        self.outbox, self.ledger = outbox, ledger
        self.copy, self.receipt = copy, receipt
        self.clock = Clock()
        self.writer = ReportWriter(self.clock)

    @property
    def folder(self) -> JobFolder:
        return open_job_folder(self.outbox, self.ledger.job("a1"), b"dropped")

    def show(self, seconds_left: dict[str, float] | None = None, until: float = 1e9) -> bool:
        job, renders = self.ledger.job("a1"), self.ledger.renders("a1")
        return self.writer.show(self.folder, job, renders, seconds_left or {}, until)

    def page(self, name: str = "report.html") -> str:
        return (self.folder.path / name).read_text()

    def publish(self, index: int, work: Work, *, finished: bool = True) -> None:
        """Leave what a worker and the dispatcher leave of a render."""
        title = f"picture {index}"
        for stem in ("now", "snapshot-000050"):
            for size in ("", "-small"):
                publish_page_file(self.folder, f"{index:04d}-{stem}{size}.jpg", self.copy)
        if not finished:
            return work(f"a1.{index}", 60)
        file = publish_picture(self.folder, f"{title}.png", b"pixels")
        result = RenderResult(index, title, (file,), self.receipt)
        publish_page_file(self.folder, f"{index:04d}-receipt.json", result.as_json().encode())
        return work(f"a1.{index}")


@pytest.fixture
def share(outbox: Path, ledger: Ledger, copy: bytes, receipt: dict[str, Any]) -> Share:
    return Share(outbox, ledger, copy, receipt)


def test_a_report_follows_a_job_from_the_queue_to_its_end(
    share: Share, new_job: NewJob, work: Work, markup: Any
) -> None:
    new_job()
    assert share.show()
    assert "queued" in markup(share.page()).text
    share.publish(0, work, finished=False)
    share.clock.now += 60
    assert share.show({"a1.0": 100.0})
    text = markup(share.page()).text
    assert "running about 2 min left" in text
    assert "iteration 50" in text
    share.publish(0, work)
    assert share.show()
    text = markup(share.page()).text
    assert "done finished" in text
    assert "50,000" in text
    assert "skyline.jpg: colors converted" in text
    assert (share.folder.path / "contact-sheet.jpg").exists()
    assert "precision: fp32\n" in share.page("job.yaml")


def test_an_open_report_is_told_the_end_too(share: Share, new_job: NewJob, work: Work) -> None:
    new_job()
    share.show()
    live = share.folder.path / "report_files" / "live.js"
    assert b'data-live=\\"yes\\"' in live.read_bytes()
    share.publish(0, work)
    share.show()
    assert b'data-live=\\"no\\"' in live.read_bytes()


def test_what_has_not_changed_is_not_written(share: Share, new_job: NewJob, work: Work) -> None:
    new_job()
    share.publish(0, work)
    share.show()
    before = {path.name: path.stat().st_mtime_ns for path in share.folder.path.rglob("*")}
    after_a_restart = ReportWriter(share.clock)
    share.writer = after_a_restart
    share.show()
    assert {p.name: p.stat().st_mtime_ns for p in share.folder.path.rglob("*")} == before


def test_a_page_that_somebody_has_changed_is_put_right(
    share: Share, new_job: NewJob, work: Work
) -> None:
    new_job()
    share.publish(0, work)
    share.show()
    before = share.page()
    (share.folder.path / "report.html").write_text("mine")
    share.show()
    assert share.page() == before


def test_progress_is_shown_at_a_pace_that_it_can_afford(
    share: Share, new_job: NewJob, work: Work
) -> None:
    new_job()
    work("a1.0", 10)
    slow = iter(range(100))
    share.clock.now = 0.0
    share.writer = ReportWriter(lambda: float(next(slow)))
    assert share.show()
    work("a1.0", 20)
    # The first one took seconds by this clock: the next one has to wait for minutes.
    assert not share.show()
    assert "10 of 200" in share.page()
    share.ledger.hold_job("a1")
    assert share.show(), "a change of state is shown at once"
    assert "20 of 200" in share.page()


def test_a_matrix_has_a_page_for_each_picture(
    share: Share, new_job: NewJob, work: Work, markup: Any
) -> None:
    new_job(contents=["a.jpg", "b.jpg"], styles=["x.png", "y.png"])
    share.publish(0, work)
    share.publish(1, work, finished=False)
    share.ledger.fail_render("a1.2", "too small")
    share.show()
    files = share.folder.path / "report_files"
    pages = sorted(path.name for path in files.glob("*.html"))
    assert pages == ["0000-report.html", "0001-report.html", "0002-report.html"]
    links = [link["href"] for link in markup(share.page()).all("a")]
    assert [f"report_files/{page}" in links for page in pages] == [True] * 3
    own = markup((files / "0000-report.html").read_text())
    assert [link["href"] for link in own.all("a")][:2] == ["../../index.html", "../report.html"]
    assert "../picture%200.png" in [link["href"] for link in own.all("a")]
    assert "too small" in markup((files / "0002-report.html").read_text()).text


def test_a_large_matrix_is_written_over_many_turns(
    share: Share, new_job: NewJob, work: Work
) -> None:
    new_job(contents=[f"{i}.jpg" for i in range(4)])
    for index in range(4):
        work(f"a1.{index}")
    turns = 1
    while not share.show(until=-1.0):
        turns += 1
    assert turns == 4
    assert len(list((share.folder.path / "report_files").glob("*.html"))) == 4


def test_a_refused_job_has_a_report_and_nothing_else(
    share: Share, new_job: NewJob, markup: Any
) -> None:
    new_job(failure="line 3: size: found -5\nline 4: unknown key")
    assert share.show()
    names = sorted(path.name for path in share.folder.path.iterdir())
    assert names == [".atelierd-job", "job.original.yaml", "report.html"]
    text = markup(share.page()).text
    assert "line 3: size: found -5" in text
    assert "job.original.yaml" in text


def test_hostile_names_are_text_in_reports_too(
    share: Share, new_job: NewJob, work: Work, receipt: dict[str, Any], markup: Any
) -> None:
    new_job(name=HOSTILE, contents=[HOSTILE, "b.jpg"], styles=[HOSTILE, {HOSTILE: 0.5, "a": 0.5}])
    receipt["notes"] = [HOSTILE]
    receipt["engine"][HOSTILE] = HOSTILE
    share.publish(0, work)
    share.ledger.fail_render("a1.1", HOSTILE)
    share.show()
    for path in share.folder.path.rglob("*.html"):
        page = markup(path.read_text())
        assert [script.get("type") for script in page.all("script")] in (
            [None], ["application/json", None]
        )  # fmt: skip
        assert "{{ 7*7 }}" in page.text
        for _, attributes in page.tags:
            assert not any(name.startswith("on") for name in attributes)
            for name in ("href", "src"):
                value = attributes.get(name) or ""
                assert value.startswith("data:") or ":" not in value


def test_a_receipt_that_was_tampered_with_takes_nothing_but_the_figures(
    share: Share, new_job: NewJob, work: Work, markup: Any
) -> None:
    new_job()
    share.publish(0, work)
    (share.folder.path / "report_files" / "0000-receipt.json").write_text("[]")
    assert share.show()
    text = markup(share.page()).text
    assert "done finished" in text
    assert "Objective" not in text


def test_where_the_pages_folder_is_something_else_the_report_is_left_out(
    share: Share, new_job: NewJob
) -> None:
    new_job()
    (share.folder.path / "report_files").write_text("mine")
    assert share.show()
    assert not (share.folder.path / "report.html").exists()


def test_a_folder_that_is_gone_and_a_share_that_is_gone_are_told_apart(
    share: Share, new_job: NewJob, outbox: Path, tmp_path: Path
) -> None:
    new_job()
    folder = share.folder
    job, renders = share.ledger.job("a1"), share.ledger.renders("a1")
    folder.path.rename(tmp_path / "taken away")
    with pytest.raises(FolderLostError):
        share.writer.show(folder, job, renders, {}, 1e9)
    outbox.rename(tmp_path / "the share")
    with pytest.raises(WorldFault):
        share.writer.show(folder, job, renders, {}, 1e9)


def test_a_report_says_what_is_to_be_expected_and_that_a_preview_is_there(
    share: Share, new_job: NewJob, ledger: Ledger
) -> None:
    new_job()
    ledger.begin_attempt("a1.0", 1)
    ledger.progress("a1.0", Progress(60, 61, 1.0, 5.0, 1, 1, drafted=True))
    ledger.requeue_render("a1.0", Outcome.STOPPED)
    job, renders = ledger.job("a1"), ledger.renders("a1")
    share.writer.show(share.folder, job, renders, {}, 1e9, "done Tuesday <03:40>")
    assert "done Tuesday &lt;03:40&gt;" in share.page()
    assert "Its preview is here" in share.page()
