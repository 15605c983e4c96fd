"""An open page follows what happens, without being loaded again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OpenPage

from atelierd import durable
from atelierd.jobs.frozen import job_file_path
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender, Progress
from atelierd.ledger.states import Outcome
from atelierd.outbox.desk import Desk
from atelierd.outbox.overview import WaitingFile

SINCE = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)


def in_one_step(source: str, target: str) -> None:
    """Copy a file over one that a page may just be loading."""
    new = Path(f"{target}.new")
    shutil.copy2(source, new)
    new.replace(target)


class Daemon:
    """A daemon's desk, without its inbox and its worker."""

    def __init__(self, folder: Path) -> None:
        self.outbox = folder / "share" / "outbox"
        self._state = folder / "state"
        self.ledger = Ledger.open(self._state / "ledger.sqlite")
        self._hours = 0
        self._desk = Desk(self.ledger, self.outbox, self._state, self._clock)
        (evening,) = [job for job in self.ledger.jobs() if job.name == "evening"]
        (self._render,) = self.ledger.renders(evening.id)

    def _clock(self) -> float:
        return time.monotonic() + 3600 * self._hours

    def show(self, waiting: tuple[WaitingFile, ...] = (), left: float | None = None) -> None:
        """Do a turn, an hour after the last one."""
        self._hours += 1
        running = {render.id: left for render in self.ledger.running() if left is not None}
        self._desk.turn(waiting, (), self._clock() + 60, running)

    def accept(self, name: str) -> None:
        """Take over a job that is like `evening`."""
        path = job_file_path(self._state, name)
        path.parent.mkdir(parents=True)
        durable.write_text(path, "content: harbor.png\nstyle: waves.png\n")
        render = NewRender(self._render.title, self._render.spec, 200)
        self.ledger.add_job(NewJob(name, name, f"{name}.yaml", SINCE, "0", renders=(render,)))
        self.changed(name)

    def advance(self, name: str, iteration: int) -> None:
        """Come further with a job; its pictures are those of `evening`."""
        if not self.ledger.running():
            self.ledger.begin_attempt(f"{name}.0", 1)
        files = self.outbox / "evening" / "report_files"
        # Without what the page is told of `evening`: an open page may be told it at once.
        told = shutil.ignore_patterns("*.js", "*.html", "*.json")
        shutil.copytree(
            files, self.outbox / name / "report_files",
            ignore=told, dirs_exist_ok=True, copy_function=in_one_step,
        )  # fmt: skip
        self.ledger.progress(f"{name}.0", Progress(iteration, iteration, 1e5, 60.0, 0, 1))
        self.changed(name)

    def changed(self, name: str) -> None:
        """Have a job shown anew."""
        self._desk.changed(name)


@pytest.fixture
def daemon(painted: Path, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on a copy of the real outbox."""
    shutil.copytree(painted, tmp_path / "copy")
    daemon = Daemon(tmp_path / "copy")
    daemon.show()
    yield daemon
    daemon.ledger.close()


@pytest.fixture
def base(way: Callable[[Path], str], daemon: Daemon) -> str:
    return way(daemon.outbox)


def test_the_index_follows_a_job_from_the_inbox_to_the_gallery(
    open_page: OpenPage, daemon: Daemon, base: str
) -> None:
    page = open_page(base, "index.html")
    expect(page.locator("#status")).to_contain_text("Idle")
    page.evaluate("window.unchanged = true")
    words = page.get_by_role("searchbox")
    words.fill("harbor")
    words.focus()

    daemon.show((WaitingFile("night.yaml", "waiting for harbor.png", SINCE),))
    expect(page.locator("#waiting")).to_contain_text("waiting for harbor.png")
    daemon.accept("night")
    daemon.show()
    expect(page.locator("#queued")).to_contain_text("night")
    expect(page.locator("#waiting")).to_be_hidden()
    daemon.advance("night", 80)
    daemon.show(left=240.0)
    running = page.locator("#running")
    expect(running).to_contain_text("iteration 80 of 200")
    expect(running).to_contain_text("about 4 min left")
    expect(running.get_by_role("progressbar")).to_have_js_property("value", 400)
    expect(running.locator("img")).to_have_js_property("naturalWidth", 96)
    daemon.ledger.fail_render("night.0", "out of memory", Outcome.NODE_FAULT)
    daemon.changed("night")
    daemon.show()
    card = page.locator("#gallery > li").first
    expect(card).to_contain_text("out of memory")
    expect(page.locator("#status")).to_contain_text("Idle")

    assert page.evaluate("window.unchanged")
    expect(words).to_be_focused()
    expect(words).to_have_value("harbor")
    expect(page.locator("#found")).to_contain_text("of 7 jobs")


def test_pictures_stay_in_place_while_the_numbers_change(
    open_page: OpenPage, daemon: Daemon, base: str
) -> None:
    daemon.accept("night")
    daemon.show()
    daemon.advance("night", 80)
    daemon.show(left=240.0)
    page = open_page(base, "index.html")
    expect(page.locator("#running img")).to_have_js_property("naturalWidth", 96)
    page.evaluate(
        """() => {
            window.added = [];
            new MutationObserver(changes => {
                for (const change of changes)
                    for (const node of change.addedNodes) window.added.push(node.nodeName);
            }).observe(document.querySelector("main"), {childList: true, subtree: true});
        }"""
    )
    daemon.advance("night", 120)
    daemon.show(left=100.0)
    expect(page.locator("#running")).to_contain_text("iteration 120 of 200")
    assert page.evaluate("window.added") == []


def test_an_open_report_follows_its_job_and_keeps_what_the_reader_has_chosen(
    open_page: OpenPage, daemon: Daemon, base: str
) -> None:
    daemon.accept("night")
    daemon.show()
    daemon.advance("night", 8)
    daemon.show(left=100.0)
    page = open_page(base, "night/report.html")
    expect(page.locator(".strip a")).to_have_count(2)
    page.locator(".strip a").first.click()
    page.get_by_role("slider").fill("30")
    daemon.advance("night", 11)
    daemon.show(left=60.0)
    expect(page.locator(".strip a")).to_have_count(3)
    expect(page.locator(".strip a").first).to_have_attribute("aria-current", "true")
    assert "snapshot-000003" in str(page.locator(".after").get_attribute("src"))
    expect(page.get_by_role("slider")).to_have_value("30")
    daemon.ledger.hold_job("night")
    daemon.changed("night")
    daemon.show()
    expect(page.locator(".title")).to_contain_text("held")


def test_a_job_whose_folder_is_fetched_leaves_the_open_page(
    open_page: OpenPage, daemon: Daemon, base: str
) -> None:
    page = open_page(base, "index.html")
    expect(page.locator("#gallery > li")).to_have_count(6)
    for image in page.locator("#gallery img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
    shutil.move(daemon.outbox / "evening", daemon.outbox.parent / "fetched")
    daemon.show()
    expect(page.locator("#gallery > li")).to_have_count(5)
