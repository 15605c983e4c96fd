from __future__ import annotations

from collections.abc import Callable

import pytest

from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.outbox.pages.cards import (
    card_of,
    job_seconds_left,
    running_of,
    subject_of,
)

NewJob = Callable[..., JobRow]
Work = Callable[..., None]


def test_a_job_is_found_by_its_name_its_contents_and_its_styles(
    ledger: Ledger, new_job: NewJob
) -> None:
    job = new_job(name="Évening <b>", contents=["Photos/Skyline.JPG"], styles=["art/Wave.png"])
    words = subject_of(job, ledger.renders("a1")).words
    for word in ("évening", "<b>", "photos", "skyline", "wave"):
        assert word in words


def test_a_long_list_of_pictures_is_counted(ledger: Ledger, new_job: NewJob) -> None:
    job = new_job(
        contents=[f"{i}.jpg" for i in range(5)], styles=[{"a.png": 0.5, "b.png": 0.5}, "c.png"]
    )
    subject = subject_of(job, ledger.renders("a1"))
    assert subject.content == "0, 1, 2 and 2 more"
    assert subject.style == "a + b, c"


def test_a_refused_job_has_no_subject(ledger: Ledger, new_job: NewJob) -> None:
    subject = subject_of(new_job(failure="line 3: size: found -5"), [])
    assert (subject.content, subject.style) == ("", "")


def test_a_picture_is_shown_as_soon_as_there_is_one(
    ledger: Ledger, new_job: NewJob, work: Work
) -> None:
    job = new_job()

    def thumbs() -> list[tuple[str, int]]:
        renders = ledger.renders("a1")
        card = card_of(job, renders, subject_of(job, renders))
        return [(thumb.path, thumb.version) for thumb in card.thumbs]

    assert thumbs() == []
    work("a1.0", 40)
    assert thumbs() == [("evening/report_files/0000-now-small.jpg", 40)]
    work("a1.0")
    assert thumbs() == [("evening/report_files/0000-now-small.jpg", 200)]


def test_a_job_of_many_pictures_shows_four_the_finished_ones_first(
    ledger: Ledger, new_job: NewJob, work: Work
) -> None:
    job = new_job(contents=[f"{i}.jpg" for i in range(6)])
    for index, iteration in ((0, 50), (1, 200), (2, 200), (3, 200), (4, 200)):
        work(f"a1.{index}", iteration)
    renders = ledger.renders("a1")
    card = card_of(job, renders, subject_of(job, renders))
    assert [thumb.path[-18:-14] for thumb in card.thumbs] == ["0001", "0002", "0003", "0004"]
    assert (card.renders, card.done) == (6, 4)
    assert card.progress == pytest.approx(850 / 1200)


def test_the_time_left_counts_the_pictures_that_wait(
    ledger: Ledger, new_job: NewJob, work: Work
) -> None:
    job = new_job(contents=["a.jpg", "b.jpg", "c.jpg"])
    work("a1.0", 200, seconds=100.0)
    work("a1.1", 50, seconds=20.0)
    renders = ledger.renders("a1")
    assert job_seconds_left(renders, {"a1.1": 60.0}) == 160.0
    assert job_seconds_left(renders, {}) is None
    shown = running_of(job, renders, subject_of(job, renders), {"a1.1": 60.0})
    assert (shown.title, shown.iteration, shown.seconds_left) == ("picture 1", 50, 160.0)
    assert [thumb.path[-18:-14] for thumb in shown.thumbs] == ["0001"]


def test_without_a_finished_picture_the_running_one_sets_the_pace(
    ledger: Ledger, new_job: NewJob, work: Work
) -> None:
    new_job(contents=["a.jpg", "b.jpg"])
    work("a1.0", 50, seconds=20.0)
    assert job_seconds_left(ledger.renders("a1"), {"a1.0": 60.0}) == 140.0
