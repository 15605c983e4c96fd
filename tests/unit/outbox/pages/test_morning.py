"""The morning report: when it is due, that it is written once, what it tells."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from atelierd.errors import WorldFault
from atelierd.events import Event
from atelierd.images.previews import NOW, small
from atelierd.jobs.frozen import FrozenImage, FrozenRender, FrozenStyle
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.resolved import resolve
from atelierd.jobs.schema import JobFile
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender, Progress
from atelierd.outbox import layout, morning
from atelierd.outbox.folder import folder_exists, folder_of, open_job_folder
from atelierd.outbox.morning import MorningReports, Period, last_period
from atelierd.outbox.overview import WaitingFile
from atelierd.outbox.pages.morning import LAST_REPORT
from atelierd.outbox.publish import publish_page_file
from atelierd.share import MARKER_NAME

SEVEN = time(7)
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "day", "since", "until"),
    [
        ("2026-03-02T07:00+01:00", "2026-03-02", "2026-03-01T06:00Z", "2026-03-02T06:00Z"),
        ("2026-03-02T06:59+01:00", "2026-03-01", "2026-02-28T06:00Z", "2026-03-01T06:00Z"),
        ("2026-03-02T23:59+01:00", "2026-03-02", "2026-03-01T06:00Z", "2026-03-02T06:00Z"),
        ("2026-03-01T23:30-05:00", "2026-03-01", "2026-02-28T06:00Z", "2026-03-01T06:00Z"),
        # The night in which clocks go forward has 23 hours, the one in which they go back 25.
        ("2026-03-29T12:00+02:00", "2026-03-29", "2026-03-28T06:00Z", "2026-03-29T05:00Z"),
        ("2026-10-25T12:00+01:00", "2026-10-25", "2026-10-24T05:00Z", "2026-10-25T06:00Z"),
    ],
)
def test_a_period_ends_at_the_last_morning(now: str, day: str, since: str, until: str) -> None:
    period = last_period(at(now), SEVEN, BERLIN)
    assert period.day.isoformat() == day
    assert (period.since, period.until) == (at(since), at(until))


@pytest.mark.parametrize("hour", [time(2, 30), time(3), SEVEN])
def test_periods_follow_each_other_without_gap_or_overlap_through_both_changes(hour: time) -> None:
    for start in ("2026-03-27T00:00Z", "2026-10-23T00:00Z"):
        periods: list[Period] = []
        for minutes in range(0, 5 * 24 * 60, 10):
            period = last_period(at(start) + timedelta(minutes=minutes), hour, BERLIN)
            if not periods or periods[-1] != period:
                periods.append(period)
        assert len(periods) == 6
        for before, after in pairwise(periods):
            assert before.until == after.since and before.day + timedelta(1) == after.day


def test_without_a_zone_it_goes_by_the_clock_of_the_system() -> None:
    now = datetime.now(UTC)
    period = last_period(now, SEVEN)
    assert period.until <= now < period.until + timedelta(hours=26)
    assert period.until.astimezone().time() == SEVEN


MORNING = at("2026-03-02T07:00+00:00")


class Office:
    """An outbox with jobs that finish when they are told to, and its reports."""

    def __init__(self, outbox: Path, ledger: Ledger, clock: Any) -> None:
        self.outbox, self.ledger, self.clock = outbox, ledger, clock
        self.again()

    def again(self) -> None:
        """Begin as the next process does."""
        self.reports = MorningReports(self.ledger, self.outbox, SEVEN, UTC, lambda: 0.0)

    def job(self, name: str, accepted: datetime, key: str = "", **more: Any) -> None:
        self.clock.now = accepted
        job = self.ledger.add_job(
            NewJob(
                id=key or name,
                name=name,
                source=f"{name}.yaml",
                submitted_at=accepted,
                job_file_sha256=name,
                **more,
            )
        )
        open_job_folder(self.outbox, job, b"")

    def done(self, name: str, finished: datetime, picture: bytes | None = None) -> None:
        self.job(name, finished - timedelta(hours=1), renders=(NewRender(name, spec(), 10),))
        self.clock.now = finished
        self.ledger.begin_attempt(f"{name}.0", 1)
        self.ledger.progress(f"{name}.0", Progress(10, 12, 1.0, 60.0, 0, 1))
        self.ledger.finish_render(f"{name}.0")
        if picture is not None:
            folder = folder_of(self.outbox, self.ledger.job_by_id(name))
            publish_page_file(folder, layout.of_render(0, small(NOW)), picture)

    def turn(self, now: datetime = MORNING, turns: int = 50, **more: Any) -> None:
        for _ in range(turns):
            self.reports.turn(now, 1.0, **more)

    def page(self, day: str = "2026-03-02") -> str:
        return (self.outbox / "reports" / f"{day}.html").read_text()

    @property
    def pages(self) -> list[str]:
        folder = self.outbox / "reports"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    @property
    def told(self) -> list[Any]:
        notices, after = [], 0
        while (notice := self.ledger.notices.next(after)) is not None:
            after = notice.id
            if notice.event is Event.REPORT:
                notices.append(notice.facts)
        return notices


class Clock:
    now = at("2026-03-01T22:00+00:00")

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def office(outbox: Path, tmp_path: Path) -> Iterator[Office]:
    clock = Clock()
    ledger = Ledger.open(tmp_path / "morning.sqlite", clock=clock)
    yield Office(outbox, ledger, clock)
    ledger.close()


@cache
def spec() -> str:
    defaults = load_preset("default", [shipped_config() / "presets"])
    return FrozenRender(
        title="picture",
        content=FrozenImage(path="photo.jpg", sha256="a" * 64),
        styles=(FrozenStyle(path="art/starry.jpg", sha256="b" * 64, share=1.0),),
        init=None,
        settings=resolve(JobFile(content="a", style="a"), defaults, defaults),
    ).model_dump_json()


def jpeg(color: str = "red", side: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), color).save(buffer, "JPEG")
    return buffer.getvalue()


def test_the_report_tells_what_finished_in_the_night_and_what_did_not(office: Office) -> None:
    office.done("early", MORNING - timedelta(hours=25))
    office.done("night", MORNING - timedelta(hours=5), jpeg())
    office.job("broken", MORNING - timedelta(hours=4), failure="line 1: no such key")
    office.job("next", MORNING - timedelta(hours=3), renders=(NewRender("next", spec(), 10),))
    office.done("late", MORNING + timedelta(minutes=1))
    waiting = [WaitingFile("slow.yaml", "waiting for big.jpg", MORNING)]
    office.turn(MORNING + timedelta(minutes=2), waiting=waiting, trouble=["the disk is full"])
    page = office.page()
    for there in ("night", "broken", "line 1: no such key", "next", "waiting for big.jpg"):
        assert there in page
    # No moment: in the reader's time zone it would be another day.
    assert "<h1>Report of 2 March 2026</h1>" in page
    assert "the disk is full" in page and "../night/report.html" in page
    for absent in (">early<", ">late<"):
        assert absent not in page
    assert office.told == [
        {
            "date": "2026-03-02",
            "file": "reports/2026-03-02.html",
            "since": "2026-03-01T07:00:00+00:00",
            "jobs": {"done": 1, "failed": 1},
            "unfinished": 1,
            "waiting_files": 1,
        }
    ]


def test_it_is_complete_in_itself_with_small_pictures(office: Office, markup: Any) -> None:
    office.done("night", MORNING - timedelta(hours=5), jpeg())
    office.turn()
    page = markup(office.page())
    (image,) = page.all("img")
    assert image["src"].startswith("data:image/jpeg;base64,")
    assert page.all("script")[0].get("src") is None
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv"))
    assert "default-src 'none'" in policy and "img-src 'self' data:" in policy


def test_beyond_a_size_it_links_to_pictures(
    office: Office, markup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = jpeg()
    monkeypatch.setattr(morning, "EMBEDDED_AT_MOST", len(picture))
    for name in ("a", "b b"):
        office.done(name, MORNING - timedelta(hours=5), picture)
    office.turn()
    sources = [image["src"] for image in markup(office.page()).all("img")]
    assert sources[0].startswith("data:")
    assert sources[1] == "../b%20b/report_files/0000-now-small.jpg"


@pytest.mark.parametrize("data", [b"<svg onload=alert(1)>", b"", b"\xff\xd8\xff" + b"x" * 400_000])
def test_what_is_none_of_our_pictures_is_left_out(office: Office, markup: Any, data: bytes) -> None:
    office.done("night", MORNING - timedelta(hours=5), data)
    office.turn()
    assert markup(office.page()).all("img") == []


def test_no_name_changes_what_the_page_is_made_of(office: Office, markup: Any) -> None:
    shapes = []
    for day, name in enumerate(("plain", '"><script>alert(1)</script>&{{ 7*7 }}\u202e'), 2):
        then = MORNING + timedelta(days=day)
        office.job(name, then - timedelta(hours=1), key=f"a{day}", failure=name)
        waiting = [WaitingFile(name, name, then)]
        office.turn(then, waiting=waiting, trouble=[name])
        shapes.append(markup(office.page(then.date().isoformat())).shape)
    assert shapes[0] == shapes[1]


def test_a_restart_does_not_write_it_again(office: Office) -> None:
    office.done("night", MORNING - timedelta(hours=5))
    office.turn()
    (office.outbox / "reports" / "2026-03-02.html").write_text("a person's own words")
    office.again()
    office.turn(MORNING + timedelta(hours=3))
    assert office.page() == "a person's own words"
    assert len(office.told) == 1


def test_a_report_that_people_have_deleted_stays_so(office: Office) -> None:
    office.done("night", MORNING - timedelta(hours=5))
    office.turn()
    (office.outbox / "reports" / "2026-03-02.html").unlink()
    office.again()
    office.turn(MORNING + timedelta(hours=3))
    assert office.pages == []


def test_killed_between_page_and_ledger_the_next_start_tells_it_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    office.done("night", MORNING - timedelta(hours=5))
    with monkeypatch.context() as patched:
        patched.setattr(office.reports, "_settle", killed)
        with pytest.raises(KeyboardInterrupt):
            office.turn()
    before = office.page()
    assert office.told == []
    office.again()
    office.turn()
    assert office.page() == before
    assert len(office.told) == 1


def test_a_clock_that_is_set_back_does_not_bring_yesterdays_again(office: Office) -> None:
    office.done("before", MORNING - timedelta(hours=30))
    office.done("night", MORNING - timedelta(hours=5))
    office.turn()
    office.again()
    office.turn(MORNING - timedelta(hours=20))
    assert office.pages == ["2026-03-02.html"]


def test_a_daemon_that_was_off_in_the_morning_writes_it_when_it_is_on_again(
    office: Office,
) -> None:
    office.done("night", MORNING - timedelta(hours=5))
    office.turn(MORNING + timedelta(hours=9))
    assert office.pages == ["2026-03-02.html"]


def test_a_night_without_jobs_has_no_report(office: Office) -> None:
    office.turn()
    # Accepted after the morning: a matter of the next report.
    office.job("new", MORNING + timedelta(hours=1), renders=(NewRender("new", spec(), 10),))
    office.again()
    office.turn(MORNING + timedelta(hours=2))
    assert office.pages == [] and office.told == []


def test_a_share_that_is_gone_puts_it_off(office: Office) -> None:
    office.done("night", MORNING - timedelta(hours=5), jpeg())
    marker = office.outbox / MARKER_NAME
    text = marker.read_text()
    marker.unlink()
    with pytest.raises(WorldFault):
        office.turn()
    marker.write_text(text)
    office.turn()
    assert "data:image/jpeg" in office.page()


def test_it_is_written_a_little_at_each_turn(office: Office) -> None:
    for number in range(5):
        office.done(f"job{number}", MORNING - timedelta(hours=5))
    for _ in range(5):
        # There is never any time left.
        office.reports.turn(MORNING, -1.0)
        assert office.pages == []
    office.reports.turn(MORNING, -1.0)
    assert office.pages == ["2026-03-02.html"]


def test_a_folder_that_was_taken_away_is_told_and_not_linked(office: Office) -> None:
    office.done("night", MORNING - timedelta(hours=5), jpeg())
    (office.outbox / "night").rename(office.outbox.parent / "away")
    office.turn()
    page = office.page()
    assert "its folder has been taken away" in page and "../night" not in page
    assert not (office.outbox / "night").exists()


@pytest.mark.parametrize("what", ["file", "link", "job"])
def test_where_something_else_lies_under_its_name_there_is_no_report(
    office: Office, tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    office.done("night", MORNING - timedelta(hours=5))
    place = office.outbox / "reports"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if what == "file":
        place.write_text("mine")
    elif what == "link":
        place.symlink_to(elsewhere)
    else:
        place.mkdir()
        (place / layout.MARKER).write_text("a1\n")
    office.turn()
    assert "there is no report" in caplog.text
    assert not list(elsewhere.iterdir())
    assert not (place / "2026-03-02.html").exists()


def test_no_job_gets_the_folder_of_the_reports(outbox: Path) -> None:
    assert folder_exists(outbox, "Reports")


def test_never_means_never(office: Office) -> None:
    office.done("night", MORNING - timedelta(hours=5))
    MorningReports(office.ledger, office.outbox, None).turn(MORNING, 1.0)
    assert office.pages == []


def test_a_page_that_cannot_be_drawn_is_given_up_and_logged(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    office.done("night", MORNING - timedelta(hours=5))
    monkeypatch.setattr(morning, "morning_file", broken)
    office.turn()
    office.turn()
    assert caplog.text.count("cannot be drawn") == 1


def test_the_last_report_is_known_to_the_index_page(office: Office) -> None:
    office.done("night", MORNING - timedelta(hours=5))
    office.turn()
    assert office.ledger.notices.mark(LAST_REPORT) == "reports/2026-03-02.html"


def test_more_jobs_than_it_shows_are_counted(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(morning, "SHOWN_AT_MOST", 2)
    for number in range(5):
        office.done(f"job{number}", MORNING - timedelta(hours=5))
    office.turn()
    assert re.search(r"and 3 more finished jobs", office.page())
