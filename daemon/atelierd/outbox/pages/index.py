"""The index page: pieces that change every few seconds, and the gallery that changes seldom."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from atelierd.ledger.rows import Counts
from atelierd.ledger.states import JobState
from atelierd.outbox import layout
from atelierd.outbox.overview import WaitingFile
from atelierd.outbox.pages.cards import Card, Running
from atelierd.outbox.pages.markup import INDEX_ASSETS, data_script, environment, page
from atelierd.outbox.pages.text import iso
from atelierd.outbox.prospects import NO_PROSPECTS, Prospects

#: Jobs and files of one list that are shown by name.
LISTED_AT_MOST = 100
#: Scripts in `index_files` that the page refreshes itself from.
LIVE, GALLERY = "live.js", "gallery.js"


@dataclass(frozen=True)
class Now:
    """What changes while the daemon works."""

    #: `working`, `idle`, `paused` or `stopped`.
    state: str
    counts: Counts
    running: Sequence[Running]
    #: In the order in which they are to be rendered, at most LISTED_AT_MOST.
    queued: Sequence[Card]
    held: Sequence[Card]
    waiting: Sequence[WaitingFile]
    trouble: Sequence[str]
    #: By the id of the job.
    prospects: Prospects = field(default_factory=lambda: NO_PROSPECTS)


@dataclass(frozen=True)
class GalleryItem:
    """A finished job's card, with what tells it from the others and from its own earlier self."""

    key: str
    version: str
    html: str


@dataclass(frozen=True)
class Gallery:
    """The finished jobs, the newest first."""

    items: tuple[GalleryItem, ...]
    #: Jobs that finished before these.
    older: int

    @property
    def digest(self) -> str:
        """What two galleries have in common if they show the same."""
        names = "\n".join(f"{item.key} {item.version}" for item in self.items)
        return _digest(f"{self.older}\n{names}")


def gallery_item(card: Card) -> GalleryItem:
    """Return the finished job as the gallery shows it."""
    html = str(_part("card", card))
    return GalleryItem(card.job.id, _digest(html), html)


def now_parts(now: Now) -> Mapping[str, Markup]:
    """Return the pieces of the page that change, by the names that the template gives them."""
    counts = now.counts.jobs
    queued, held = counts[JobState.QUEUED], counts[JobState.HELD]
    told = {job_id: prospect.words for job_id, prospect in now.prospects.items()}
    return {
        "status": _part("status", now.state, {"queued": queued, "held": held}, len(now.waiting)),
        "trouble": _part("trouble", now.trouble),
        "running": _part("running", now.running, told),
        "queued": _part(
            "listed", "queued", "Next in line", now.queued, queued - len(now.queued), told
        ),
        "held": _part("listed", "held", "On hold", now.held, held - len(now.held), told),
        "waiting": _part(
            "waiting", now.waiting[:LISTED_AT_MOST], len(now.waiting) - LISTED_AT_MOST
        ),
    }


def live_file(parts: Mapping[str, Markup], digest: str, written: datetime) -> bytes:
    """Return the script that brings an open page up to date."""
    html = [str(part) for part in parts.values()]
    return data_script("update", {"parts": html, "gallery": digest, "written": iso(written)})


def gallery_file(gallery: Gallery) -> bytes:
    """Return the script that brings the gallery of an open page up to date."""
    cards = [(item.key, item.version, item.html) for item in gallery.items]
    return data_script(
        "gallery", {"digest": gallery.digest, "cards": cards, "older": gallery.older}
    )


def index_file(
    parts: Mapping[str, Markup], gallery: Gallery, written: datetime, report: str | None = None
) -> bytes:
    """Return the whole page; `report` is the last morning report, relative to the outbox."""
    return page(
        "index.html",
        *INDEX_ASSETS,
        parts=parts,
        cards=[(item.key, item.version, Markup(item.html)) for item in gallery.items],
        digest=gallery.digest,
        older=gallery.older,
        folder=layout.INDEX_FILES,
        written=written,
        report=report,
    )


def _part(name: str, *values: object) -> Markup:
    part: Markup = getattr(environment().get_template("parts.html").module, name)(*values)
    return part


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
