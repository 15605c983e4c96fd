"""A real outbox, Chromium to open it with, and an eye on everything that Chromium says.

`make browser` runs these tests. Without Chromium or axe-core they are skipped, or, where
ATELIERD_REQUIRE_BROWSER is 1, failed.
"""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NoReturn

import pytest
from playwright.sync_api import (
    BrowserContext,
    Page,
    Request,
    ViewportSize,
    expect,
    sync_playwright,
)
from tests.browser.painting import paint

from atelierd.address import Address
from atelierd.settings import Settings
from atelierd.web.server import WebServer

#: Where `make browser` puts axe-core.
AXE = Path(__file__).parents[2] / "build" / "axe-core" / "package" / "axe.min.js"
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 860}

Scheme = Literal["light", "dark"]

# A page from a disk looks every 3 s for what is new; 5 s would leave a busy machine 2 of them.
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def missing(what: str) -> NoReturn:
    """Skip the test for want of something, or fail it where that is required."""
    if os.environ.get("ATELIERD_REQUIRE_BROWSER") == "1":
        pytest.fail(f"ATELIERD_REQUIRE_BROWSER is set, but {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's Chromium."""
    found = shutil.which("chromium")
    if found is None:
        missing("there is no chromium here; apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which looks for what keeps people out."""
    if not AXE.exists():
        missing(f"{AXE} is not there; `make browser` fetches it")
    return AXE.read_text()


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Path:
    """What a real daemon has left of some jobs: a folder with share and state; not to be changed.

    See `painting` for the jobs.
    """
    folder = tmp_path_factory.mktemp("painted")
    paint(folder, random_weights)
    return folder


@pytest.fixture(scope="session")
def outbox(painted: Path) -> Path:
    """The outbox of `painted`."""
    return painted / "share" / "outbox"


@pytest.fixture
def served() -> Iterator[Callable[[Path], str]]:
    """Return a function that serves a folder as any static server does, and gives its address."""
    servers = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    class Patient(ThreadingHTTPServer):
        # A page asks for many pictures at once; beyond the backlog they would be turned away.
        request_queue_size = 256

    def serve(folder: Path) -> str:
        handler = functools.partial(Quiet, directory=str(folder))
        server = Patient(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def live() -> Iterator[Callable[[Path], str]]:
    """Return a function that serves an outbox as `atelierd serve` does, and gives its address."""
    servers = []

    def serve(outbox: Path) -> str:
        share = outbox.parent
        settings = Settings(inbox=share / "inbox", outbox=outbox, state=share.parent / "state")
        server = WebServer(settings, Address("127.0.0.1", 0))
        server.listen()
        server.start()
        servers.append(server)
        return f"http://{server.address}"

    yield serve
    for server in servers:
        server.stop()


#: Ways to a page: from a disk, through a static server, and through atelierd's own.
WAYS = ("file", "http", "live")


@pytest.fixture(params=WAYS)
def way(
    request: pytest.FixtureRequest,
    served: Callable[[Path], str],
    live: Callable[[Path], str],
) -> Callable[[Path], str]:
    """Return a function that gives the address of an outbox, in each of the ways."""
    ways: dict[str, Callable[[Path], str]] = {"file": Path.as_uri, "http": served, "live": live}
    return ways[request.param]


@pytest.fixture
def base(way: Callable[[Path], str], outbox: Path) -> str:
    """The address of the real outbox."""
    return way(outbox)


@pytest.fixture(scope="session")
def contexts(
    chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[bool], BrowserContext]]:
    """Return a function that gives Chromium with a new profile, with or without JavaScript."""
    with sync_playwright() as playwright:
        open_ones: dict[bool, BrowserContext] = {}

        def context(scripted: bool) -> BrowserContext:
            if scripted not in open_ones:
                open_ones[scripted] = playwright.chromium.launch_persistent_context(
                    tmp_path_factory.mktemp("profile"),
                    executable_path=chromium,
                    headless=True,
                    args=list(ARGUMENTS),
                    java_script_enabled=scripted,
                    locale="en-GB",
                    timezone_id="Europe/Paris",
                )
            return open_ones[scripted]

        yield context
        for one in open_ones.values():
            one.close()


@dataclass
class Witness:
    """What a page has said and asked for."""

    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", self._failed)

    def _failed(self, request: Request) -> None:
        # Whoever follows a link leaves pictures behind that were still on their way.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.failure}: {request.url}")


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(
    contexts: Callable[[bool], BrowserContext],
    served: Callable[[Path], str],  # which end after the pages: some still load their pictures
    live: Callable[[Path], str],
) -> Iterator[OpenPage]:
    """Return a function that opens a page; in the end all must have kept quiet and to themselves.

    Nothing may be said on the console, no request may fail, and none may go anywhere but to the
    folder or the server that the page came from.
    """
    pages: list[tuple[Page, str, Witness]] = []

    def opened(
        base: str,
        path: str,
        *,
        scheme: Scheme = "light",
        size: ViewportSize = DESK,
        scripted: bool = True,
    ) -> Page:
        page, witness = contexts(scripted).new_page(), Witness()
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        witness.watch(page)
        pages.append((page, base, witness))
        page.goto(f"{base}/{path}")
        return page

    yield opened
    for page, base, witness in pages:
        page.close()
        strangers = [url for url in witness.requests if not url.startswith((f"{base}/", "data:"))]
        assert witness.complaints == []
        assert strangers == []
