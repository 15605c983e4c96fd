"""The outbox over HTTP, from a daemon and from a process beside it."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from tests.integration.daemon import Daemon, Share

from atelierd.exits import Exit
from atelierd.share import MARKER_NAME

Started = Callable[..., Daemon]


@pytest.fixture
def share(tmp_path: Path, random_weights: Path) -> Share:
    return Share(tmp_path, random_weights, log="json")


@pytest.fixture
def serving() -> Iterator[Callable[..., Daemon]]:
    """Return a function that runs `atelierd serve` on a share; it ends with the test."""
    ones: list[Daemon] = []

    def serve(share: Share, *arguments: str) -> Daemon:
        ones.append(Daemon(share, arguments, ("serve",)))
        return ones[-1]

    yield serve
    for one in ones:
        one.end()


def address_of(daemon: Daemon) -> str:
    """Return the address that it has told."""
    found = daemon.wait_for(lambda: re.search(r"http://[^/]+", "\n".join(daemon.messages)))
    assert found is not None
    return found[0]


def health(address: str) -> tuple[int, list[str]]:
    answer = requests.get(f"{address}/healthz", timeout=60)
    return answer.status_code, answer.json()["reasons"]


def follow(address: str) -> tuple[requests.Response, Iterator[bytes]]:
    """Begin to follow the index, and read what it is told first; the rest comes from the second."""
    answer = requests.get(f"{address}/index_files/live.js?follow", stream=True, timeout=60)
    assert answer.status_code == 200
    # One iterator for all of it: requests closes the connection when one is dropped.
    parts: Iterator[bytes] = answer.iter_content(None)
    assert next(parts) == b"retry: 2000\n\n"
    return answer, parts


def test_a_daemon_shows_its_outbox_and_ends_though_pages_are_open(
    share: Share, started: Started
) -> None:
    daemon = started(share, "--http", "0")
    address = address_of(daemon)
    assert address.startswith("http://127.0.0.1:")
    daemon.wait_for(lambda: (share.outbox / "index.html").exists())
    page = requests.get(address, timeout=60)
    assert "Nothing is being painted" in page.text
    assert health(address) == (200, [])
    assert "atelierd_up 1.0" in requests.get(f"{address}/metrics", timeout=60).text
    open_pages = [follow(address) for _ in range(5)]
    share.drop("wrong.yaml", "content: photo.jpg\nstyle: painting.jpg\nsize: -5\n")
    # The gallery that the first page is told of is not the one that it was told of last.
    told: set[bytes] = set()
    for part in open_pages[0][1]:
        told.update(found[1] for found in re.finditer(rb'"gallery":"(\w+)"', part))
        if len(told) > 1:
            break
    assert len(told) > 1
    assert daemon.stop() == Exit.OK
    assert not daemon.logged("Cancel")
    for answer, _ in open_pages:
        answer.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=60)


def test_health_says_what_keeps_the_daemon_from_its_work(share: Share, started: Started) -> None:
    daemon = started(share, "--http", "0")
    address = address_of(daemon)
    daemon.wait_for(lambda: health(address) == (200, []))
    marker = (share.inbox / MARKER_NAME).read_bytes()
    (share.inbox / MARKER_NAME).unlink()
    daemon.wait_for(lambda: health(address)[0] == 503)
    assert any("is the share mounted" in reason for reason in health(address)[1])
    (share.inbox / MARKER_NAME).write_bytes(marker)
    daemon.wait_for(lambda: health(address) == (200, []))
    assert daemon.stop() == Exit.OK


def test_serve_shows_the_outbox_whether_or_not_a_daemon_runs(
    share: Share, started: Started, serving: Started
) -> None:
    share.drop("wrong.yaml", "content: photo.jpg\nstyle: painting.jpg\nsize: -5\n")
    assert started(share, "--drain").wait() == Exit.FAILED
    server = serving(share, "--http", "0")
    address = address_of(server)
    assert "size: found -5" in requests.get(address, timeout=60).text
    assert "size: found -5" in requests.get(f"{address}/wrong/report.html", timeout=60).text
    status, reasons = health(address)
    assert (status, len(reasons)) == (503, 1)
    assert "the daemon is not running" in reasons[0]
    daemon = started(share)
    daemon.wait_for(lambda: health(address) == (200, []))
    page, _parts = follow(address)
    assert server.stop() == Exit.OK
    page.close()
    assert daemon.stop() == Exit.OK


def test_the_configuration_says_where(share: Share, started: Started) -> None:
    with share.config.open("a") as file:
        file.write("http: {address: '[::1]:0'}\n")
    daemon = started(share)
    address = address_of(daemon)
    assert address.startswith("http://[::1]:")
    daemon.wait_for(lambda: health(address) == (200, []))
    assert daemon.stop(signal.SIGINT) == Exit.OK


def test_an_address_in_use_stops_the_server_but_not_the_daemon(
    share: Share, started: Started
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        share.command("serve", "--http", taken, code=Exit.UNAVAILABLE)
        daemon = started(share, "--http", taken, "--drain")
        assert daemon.wait() == Exit.OK
        assert daemon.logged("cannot be listened on") == 1


@pytest.mark.parametrize("command", ["run", "serve"])
def test_what_is_no_address_is_a_wrong_command_line(share: Share, command: str) -> None:
    share.command(command, "--http", "everywhere", code=Exit.USAGE)
    share.command(command, "--http", ":8765", code=Exit.USAGE)
