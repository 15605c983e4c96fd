from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.ledger.states import JobState
from atelierd.outbox.overview import WaitingFile
from atelierd.outbox.pages.cards import card_of, running_of, subject_of
from atelierd.outbox.pages.index import (
    LISTED_AT_MOST,
    Gallery,
    Now,
    gallery_file,
    gallery_item,
    index_file,
    live_file,
    now_parts,
)
from atelierd.outbox.pages.text import visible

NewJob = Callable[..., JobRow]
WHEN = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)> ' & \u202e\u2028 {{ 7*7 }} 🌃"


def now(ledger: Ledger, **changes: Any) -> Now:
    cards = []
    for job in ledger.jobs((JobState.QUEUED,)):
        renders = ledger.renders(job.id)
        cards.append(card_of(job, renders, subject_of(job, renders)))
    values: dict[str, Any] = {
        "state": "idle", "counts": ledger.counts(), "running": (), "queued": cards, "held": (),
        "waiting": (), "trouble": (),
    }  # fmt: skip
    return Now(**values | changes)


def whole_page(ledger: Ledger, text: str) -> bytes:
    """Return a page on which `text` stands wherever text from outside can."""
    waiting = [WaitingFile(text, text, WHEN)]
    job = ledger.job_by_id("a1")
    renders = ledger.renders("a1")
    card = card_of(job, renders, subject_of(job, renders))
    running = running_of(job, renders, subject_of(job, renders), {})
    parts = now_parts(now(ledger, waiting=waiting, trouble=[text], running=[running], held=[card]))
    return index_file(parts, Gallery((gallery_item(card),), 0), WHEN)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_name_changes_what_a_page_is_made_of(
    ledger: Ledger, new_job: NewJob, markup: Any, text: str
) -> None:
    if not ledger.jobs():
        new_job(name=HOSTILE, contents=[HOSTILE], styles=[HOSTILE])
    plain = markup(whole_page(ledger, "harmless"))
    other = markup(whole_page(ledger, text))
    assert other.shape == plain.shape
    assert " ".join(visible(text).split()) in other.text


def test_a_hostile_name_is_text(ledger: Ledger, new_job: NewJob, markup: Any) -> None:
    new_job(name=HOSTILE, contents=[HOSTILE], styles=[HOSTILE])
    page = markup(whole_page(ledger, HOSTILE))
    assert len(page.all("script")) == 1
    assert page.text.count("<script>alert(1)</script>") > 4
    assert "{{ 7*7 }}" in page.text
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src"):
            value = attributes.get(name) or ""
            assert value.startswith("data:") or ":" not in value


def test_a_page_links_to_the_reports_of_the_queue(
    ledger: Ledger, new_job: NewJob, markup: Any
) -> None:
    for number in (1, 2, 3):
        new_job(f"a{number}", f"job {number}")
    shown = now(ledger)
    page = markup("".join(now_parts(shown).values()))
    assert "Idle 3 in line" in page.text
    assert [a["href"] for a in page.all("a")] == [
        f"job%20{number}/report.html" for number in (3, 2, 1)
    ]


def test_what_is_too_long_to_list_is_counted(ledger: Ledger, new_job: NewJob, markup: Any) -> None:
    new_job()
    waiting = [WaitingFile(f"{i}.yaml", "being copied", WHEN) for i in range(LISTED_AT_MOST + 7)]
    text = markup(now_parts(now(ledger, waiting=waiting))["waiting"]).text
    assert text.endswith("and 7 more")
    assert f"{LISTED_AT_MOST - 1}.yaml" in text
    assert f"{LISTED_AT_MOST}.yaml" not in text


def test_lists_without_anything_in_them_are_hidden(ledger: Ledger, markup: Any) -> None:
    parts = now_parts(now(ledger))
    for name in ("trouble", "queued", "held", "waiting"):
        (section,) = markup(parts[name]).all("section")
        assert "hidden" in section
    assert "Nothing is being painted" in parts["running"]


def test_a_card_tells_what_became_of_a_job(
    ledger: Ledger, new_job: NewJob, work: Callable[..., None], markup: Any
) -> None:
    new_job("a1", contents=["a.jpg", "b.jpg"])
    work("a1.0")
    ledger.fail_render("a1.1", "too small\nfor the network")
    job, renders = ledger.job("a1"), ledger.renders("a1")
    item = gallery_item(card_of(job, renders, subject_of(job, renders)))
    card = markup(item.html)
    assert card.all("article")[0]["data-state"] == "failed"
    assert "picture 1: too small for the network" in card.text
    assert "failed 1 of 2 pictures 1 min" in card.text
    assert item.key == "a1"


def test_a_gallery_is_another_one_only_if_a_card_is(ledger: Ledger, new_job: NewJob) -> None:
    items = []
    for number in (1, 2):
        job = new_job(f"a{number}", failure="x")
        items.append(gallery_item(card_of(job, [], subject_of(job, []))))
    first, second = items
    assert Gallery((first, second), 0).digest == Gallery((first, second), 0).digest
    others = [Gallery((first,), 0), Gallery((second, first), 0), Gallery((first, second), 1)]
    assert Gallery((first, second), 0).digest not in {other.digest for other in others}


def test_the_scripts_carry_the_pieces_and_the_galleries_digest(
    ledger: Ledger, new_job: NewJob
) -> None:
    job = new_job(failure=HOSTILE)
    gallery = Gallery((gallery_item(card_of(job, [], subject_of(job, []))),), 3)
    live = live_file(now_parts(now(ledger)), gallery.digest, WHEN)
    assert gallery.digest.encode() in live
    assert b'"written":"2026-03-01T22:00:00+00:00"' in live
    script = gallery_file(gallery)
    assert b'"older":3' in script
    assert b"<" not in script


def test_the_last_morning_report_is_linked_where_there_is_one(ledger: Ledger, markup: Any) -> None:
    parts = now_parts(now(ledger))
    links = [
        {link["href"] for link in markup(index_file(parts, Gallery((), 0), WHEN, report)).all("a")}
        for report in (None, "reports/2026-03-02.html")
    ]
    assert links[1] - links[0] == {"reports/2026-03-02.html"}
