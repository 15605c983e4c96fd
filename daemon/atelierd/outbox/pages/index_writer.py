"""Keeping the index page in step with the ledger, at a cost that does not grow with every job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from markupsafe import Markup

from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow
from atelierd.ledger.states import JOB_FINISHED, JobState
from atelierd.outbox import layout
from atelierd.outbox.errors import FolderTakenError
from atelierd.outbox.folder import names_in, opened_inside, opened_outbox
from atelierd.outbox.overview import WaitingFile
from atelierd.outbox.pages.cards import Card, Subject, card_of, running_of, subject_of
from atelierd.outbox.pages.index import (
    GALLERY,
    LISTED_AT_MOST,
    LIVE,
    Gallery,
    GalleryItem,
    Now,
    gallery_file,
    gallery_item,
    index_file,
    live_file,
    now_parts,
)
from atelierd.outbox.pages.morning import LAST_REPORT
from atelierd.outbox.pages.writer import write_changed
from atelierd.outbox.prospects import NO_PROSPECTS, Prospects, in_order

logger = logging.getLogger(__name__)

#: Finished jobs that the page shows.
GALLERY_AT_MOST = 1000
#: How often the pieces that change are written, and the page itself with them.
LIVE_EVERY, PAGE_EVERY = timedelta(seconds=3), timedelta(seconds=30)
#: Share of the time that news may take: what begins, ends, waits or is troubled is shown at once.
NEWS_SHARE = 0.05
#: How often it is seen which folders people have taken away.
LOOK_EVERY = timedelta(seconds=30)


@dataclass(frozen=True)
class Situation:
    """What the daemon knows beside the ledger."""

    #: `working`, `idle`, `paused` or `stopped`.
    state: str
    unfinished: Sequence[JobRow]
    waiting: Sequence[WaitingFile]
    trouble: Sequence[str]
    #: By the id of the render.
    seconds_left: Mapping[str, float]
    #: By the id of the job.
    prospects: Prospects = field(default_factory=lambda: NO_PROSPECTS)


@dataclass(frozen=True)
class _State:
    """What a page shows."""

    parts: Mapping[str, Markup]
    #: Of the gallery.
    digest: str
    #: The last morning report, relative to the outbox.
    report: str | None


class IndexWriter:
    """Writes `index.html` and the scripts that it refreshes itself from."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Path,
        monotonic: Callable[[], float],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`monotonic` gives seconds, `clock` the present time, for what is written on the page."""
        self._ledger = ledger
        self._outbox = outbox
        self._monotonic = monotonic
        self._clock = clock
        self._subjects: dict[str, Subject] = {}
        self._untouched: dict[str, Card] = {}
        self._items: dict[str, tuple[object, GalleryItem]] = {}
        self._gallery = Gallery((), 0)
        self._live: _State | None = None
        self._page: _State | None = None
        self._gallery_is_stale = True
        self._live_at = self._page_at = self._look_at = self._news_at = float("-inf")
        self._told: object = None

    def changed(self) -> None:
        """Remember that the gallery may be another one now."""
        self._gallery_is_stale = True

    def show(self, situation: Situation, until: float, *, last: bool = False) -> None:
        """Write what has changed and is due, or, as the `last`, whatever has changed.

        Raises WorldFault. What is not done when the clock passes `until` is done later.
        """
        now, news = self._monotonic(), _news_of(situation)
        if not last and now < (self._live_at if news == self._told else self._news_at):
            return
        if not self._gather_gallery(now, until):
            return
        self._live_at = now + LIVE_EVERY.total_seconds()
        self._write(situation, now, last=last)
        self._told = news
        ended = self._monotonic()
        self._news_at = ended + (ended - now) / NEWS_SHARE

    def _write(self, situation: Situation, now: float, *, last: bool) -> None:
        report = self._ledger.notices.mark(LAST_REPORT)
        state = _State(now_parts(self._now(situation)), self._gallery.digest, report)
        if state == self._live and state == self._page:
            return
        new_gallery = self._page is None or self._page.digest != state.digest
        with opened_outbox(self._outbox) as here:
            if state != self._live:
                self._write_scripts(here, state, with_gallery=new_gallery)
                self._live = state
            if state != self._page and (new_gallery or last or now >= self._page_at):
                page = index_file(state.parts, self._gallery, self._clock(), state.report)
                write_changed(here / layout.INDEX, page)
                self._page = state
                self._page_at = now + PAGE_EVERY.total_seconds()

    def _write_scripts(self, here: Path, state: _State, *, with_gallery: bool) -> None:
        try:
            with opened_inside(here, layout.INDEX_FILES) as files:
                if with_gallery:
                    write_changed(files / GALLERY, gallery_file(self._gallery))
                live = live_file(state.parts, state.digest, self._clock())
                write_changed(files / LIVE, live)
        except FolderTakenError as error:
            logger.warning("%s: %s; the page does not refresh itself", self._outbox, error)

    def _now(self, situation: Situation) -> Now:
        by_state: dict[JobState, list[JobRow]] = {state: [] for state in JobState}
        for job in situation.unfinished:
            by_state[job.state].append(job)
        queue = in_order(by_state[JobState.QUEUED])
        running = []
        for job in by_state[JobState.RUNNING]:
            renders = self._ledger.renders(job.id)
            subject = self._subject(job)
            running.append(running_of(job, renders, subject, situation.seconds_left))
        known = {job.id for job in situation.unfinished}
        for job_id in self._subjects.keys() - known:
            del self._subjects[job_id]
            self._untouched.pop(job_id, None)
        return Now(
            state=situation.state,
            counts=self._ledger.counts(),
            running=running,
            queued=[self._card(job) for job in queue[:LISTED_AT_MOST]],
            held=[self._card(job) for job in by_state[JobState.HELD][:LISTED_AT_MOST]],
            waiting=situation.waiting,
            trouble=situation.trouble,
            prospects=situation.prospects,
        )

    def _card(self, job: JobRow) -> Card:
        """Return the card of a job that waits; one that was never begun stays as it is."""
        known = self._untouched.get(job.id)
        if known is not None and known.job == job:
            return known
        card = card_of(job, self._ledger.renders(job.id), self._subject(job))
        if job.started_at is None:
            self._untouched[job.id] = card
        return card

    def _subject(self, job: JobRow) -> Subject:
        found = self._subjects.get(job.id)
        if found is None:
            found = self._subjects[job.id] = subject_of(job, self._ledger.renders(job.id))
        return found

    def _gather_gallery(self, now: float, until: float) -> bool:
        """Bring the gallery up to date; False if there was no time for all of it."""
        if not self._gallery_is_stale and now < self._look_at:
            return True
        self._look_at = now + LOOK_EVERY.total_seconds()
        jobs = self._ledger.jobs(JOB_FINISHED, GALLERY_AT_MOST)
        with opened_outbox(self._outbox) as here:
            there = names_in(here)
        items: dict[str, tuple[object, GalleryItem]] = {}
        for job in jobs:
            if job.folder not in there:
                continue
            known = self._items.get(job.id)
            if known is None or known[0] != job:
                if self._monotonic() > until:
                    self._items |= items
                    return False
                known = (job, self._item(job))
            items[job.id] = known
        self._items = items
        finished = sum(
            count for state, count in self._ledger.counts().jobs.items() if state in JOB_FINISHED
        )
        newest = sorted(jobs, key=lambda job: job.finished_at or job.accepted_at, reverse=True)
        self._gallery = Gallery(
            tuple(items[job.id][1] for job in newest if job.id in items), finished - len(jobs)
        )
        self._gallery_is_stale = False
        return True

    def _item(self, job: JobRow) -> GalleryItem:
        renders = self._ledger.renders(job.id)
        return gallery_item(card_of(job, renders, subject_of(job, renders)))


def _news_of(situation: Situation) -> object:
    """Return what is news when it changes; how far a render has come is none."""
    return (
        situation.state,
        [(job.id, job.state) for job in situation.unfinished],
        [file.file for file in situation.waiting],
        list(situation.trouble),
    )
