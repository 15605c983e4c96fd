"""What only atelierd's own server does: pages are told at once, and run nothing of a stranger's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.browser.conftest import DESK, OpenPage
from tests.browser.test_refresh import SINCE, Daemon, daemon

from atelierd.address import Address
from atelierd.outbox.overview import WaitingFile
from atelierd.settings import Settings
from atelierd.web.server import WebServer

__all__ = ["daemon"]


@pytest.fixture
def server(daemon: Daemon) -> Iterator[Callable[[int], WebServer]]:
    """Return a function that starts a server for the daemon's outbox at a port, 0 for any."""
    servers = []
    share = daemon.outbox.parent
    settings = Settings(inbox=share / "inbox", outbox=daemon.outbox, state=share.parent / "state")

    def start(port: int) -> WebServer:
        server = WebServer(settings, Address("127.0.0.1", port))
        server.listen()
        server.start()
        servers.append(server)
        return server

    yield start
    for one in servers:
        one.stop()


@pytest.fixture
def frank_page(contexts: Callable[[bool], BrowserContext]) -> Iterator[Page]:
    """A page that may complain: its server is taken away from it."""
    page = contexts(True).new_page()
    page.set_viewport_size(DESK)
    yield page
    page.close()


def test_an_open_page_is_told_and_does_not_ask(
    open_page: OpenPage, daemon: Daemon, live: Callable[[Path], str]
) -> None:
    page = open_page(live(daemon.outbox), "index.html")
    # By then it has asked to be told: it does so only after the page has been loaded.
    daemon.show((WaitingFile("first.yaml", "waiting for harbor.png", SINCE),))
    expect(page.locator("#waiting")).to_contain_text("first.yaml")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for number in range(3):
        daemon.show((WaitingFile(f"{number}.yaml", "waiting for harbor.png", SINCE),))
        expect(page.locator("#waiting")).to_contain_text(f"{number}.yaml")
    assert [url for url in asked if ".js" in url] == []


def test_a_finished_report_lets_its_connection_go(
    open_page: OpenPage, daemon: Daemon, live: Callable[[Path], str]
) -> None:
    daemon.accept("night")
    daemon.show()
    daemon.advance("night", 80)
    daemon.show(left=60.0)
    page = open_page(live(daemon.outbox), "night/report.html")
    gone: list[str] = []
    page.on("requestfailed", lambda request: gone.append(request.url))
    page.on("requestfinished", lambda request: gone.append(request.url))
    daemon.ledger.cancel_job("night")
    daemon.changed("night")
    daemon.show()
    expect(page.locator("#report")).to_have_attribute("data-live", "no")
    page.wait_for_function("document.querySelector('.title').textContent.includes('cancelled')")
    assert page.evaluate("document.querySelector('#report').dataset.live") == "no"
    until = 100
    while not any("follow" in url for url in gone) and until:
        page.wait_for_timeout(100)
        until -= 1
    assert [url for url in gone if "follow" in url] != []


def test_a_page_says_when_the_server_is_gone_and_goes_on_when_it_is_back(
    frank_page: Page, daemon: Daemon, server: Callable[[int], WebServer]
) -> None:
    one = server(0)
    frank_page.goto(f"http://{one.address}/")
    stale = frank_page.locator("#stale")
    expect(frank_page.locator("#status")).to_contain_text("Idle")
    one.stop()
    expect(stale).to_contain_text("The server does not answer", timeout=30_000)
    daemon.show((WaitingFile("night.yaml", "waiting for harbor.png", SINCE),))
    server(one.address.port)
    expect(frank_page.locator("#waiting")).to_contain_text("night.yaml", timeout=60_000)
    expect(stale).to_be_empty()


def test_a_page_that_somebody_else_has_put_there_runs_nothing(
    frank_page: Page, daemon: Daemon, server: Callable[[int], WebServer]
) -> None:
    (daemon.outbox / "evil.js").write_text("window.ran = 'a file'")
    (daemon.outbox / "evil.html").write_text(
        "<!doctype html>\n<html lang='en' class='plain'><body onload=\"window.ran = 'a word'\">"
        "<script>window.ran = 'inline'</script><script src='evil.js'></script><p>read me</p>"
    )
    said: list[str] = []
    frank_page.on("console", lambda message: said.append(message.text))
    frank_page.goto(f"http://{server(0).address}/evil.html")
    expect(frank_page.locator("p")).to_have_text("read me")
    assert frank_page.evaluate("window.ran") is None
    assert sum("Content Security Policy" in text for text in said) >= 3


@pytest.mark.parametrize(
    "path",
    [
        "evening/harbor-waves.png", "evening/contact-sheet.jpg", "evening/job.yaml",
        "evening/result.json", "thin/error.txt", "status.json",
    ],
)  # fmt: skip
def test_a_file_can_be_looked_at_by_itself(
    open_page: OpenPage, outbox: Path, live: Callable[[Path], str], path: str
) -> None:
    page = open_page(live(outbox), path)
    if path.endswith((".png", ".jpg")):
        assert page.evaluate("document.images[0].naturalWidth") > 0
    else:
        assert (outbox / path).read_text().strip() in page.content().replace("&lt;", "<").replace(
            "&gt;", ">"
        ).replace("&amp;", "&")
