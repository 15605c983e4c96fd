from __future__ import annotations

import asyncio
import errno
import http.client
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.web.conftest import Client

from atelierd.errors import WorldFault
from atelierd.web import follow
from atelierd.web.follow import Followers, Seen, event_of

LIVE = "index_files/live.js"


def write(outbox: Path, text: str) -> None:
    """Put a script in the place of the one that is there, in one step."""
    (outbox / "index_files").mkdir(exist_ok=True)
    new = outbox / "index_files" / "new.js"
    new.write_text(text)
    new.replace(outbox / LIVE)


def next_event(answer: http.client.HTTPResponse) -> tuple[str, str]:
    """Return name and data of the next event; a line that says nothing is passed over."""
    name, data = "", ""
    while True:
        line = answer.readline().decode()
        assert line, "the server has ended it"
        field, _, value = line.rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif not line.strip() and name:
            return name, data


def test_a_follower_is_told_what_is_and_then_what_changes(client: Client, outbox: Path) -> None:
    write(outbox, 'atelierd.update({"parts":["<p>one"]});\n')
    answer = client.begin(f"/{LIVE}?follow")
    assert answer.getheader("content-type") == "text/event-stream"
    assert answer.getheader("cache-control") == "no-cache"
    assert next_event(answer) == ("update", '{"parts":["<p>one"]}')
    write(outbox, 'atelierd.update({"parts":["<p>two"]});\n')
    assert next_event(answer) == ("update", '{"parts":["<p>two"]}')


def test_a_script_that_goes_and_comes_again_is_followed_on(client: Client, outbox: Path) -> None:
    write(outbox, "atelierd.update(1);\n")
    answer = client.begin(f"/{LIVE}?follow")
    assert next_event(answer) == ("update", "1")
    (outbox / LIVE).unlink()
    time.sleep(2 * follow.LOOK_EVERY.total_seconds())
    write(outbox, "atelierd.update(2);\n")
    assert next_event(answer) == ("update", "2")


def test_only_what_a_page_follows_can_be_followed(client: Client, outbox: Path) -> None:
    assert client.get(f"/{LIVE}?follow").status == 404
    (outbox / "notes.txt").write_text("text")
    answer = client.get("/notes.txt?follow")
    assert (answer.status, answer.body) == (200, b"text")
    (outbox / "index_files").mkdir()
    (outbox / LIVE).symlink_to(outbox / "notes.txt")
    assert client.get(f"/{LIVE}?follow").status == 404


def test_a_head_of_it_ends(client: Client, outbox: Path) -> None:
    write(outbox, "atelierd.update(1);\n")
    answer = client.get(f"/{LIVE}?follow", "HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"alert(1)",
        b'atelierd.update({"a":1});\natelierd.update({});\n',
        b'atelierd.update({"a":1}\n\nevent: other\ndata: x);\n',
        b'atelierd.update({"a":1}\r\revent: other);\n',
        b"atelierd.up date(1);\n",
    ],
)
def test_what_is_not_one_call_on_one_line_is_sent_to_nobody(script: bytes) -> None:
    assert event_of(script) is None


def test_every_follower_that_leaves_is_forgotten_and_its_script_looked_at_no_more() -> None:
    looks = 0

    async def look(path: str, known: str) -> Seen | None:
        nonlocal looks
        looks += 1
        return None if known else Seen("1", b"atelierd.update(1);\n")

    async def run() -> None:
        followers = Followers(look)
        events = [followers.follow(LIVE) for _ in range(5)]
        for one in events:
            assert await anext(one) == b"retry: 2000\n\n"
            assert await anext(one) == b"event: update\ndata: 1\n\n"
        assert looks <= 2, "five pages, one look"
        for one in events:
            await one.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not followers._watches

    asyncio.run(run())


def test_a_follower_that_hears_nothing_gets_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "HEARTBEAT", timedelta(milliseconds=20))

    async def look(path: str, known: str) -> Seen | None:
        raise WorldFault("the share is gone")

    async def run() -> None:
        events = Followers(look).follow(LIVE)
        assert [await anext(events) for _ in range(3)][1:] == [b": nothing new\n\n"] * 2
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


@pytest.mark.parametrize("error", [WorldFault("it is gone"), OSError(errno.ESTALE, "stale")])
def test_a_look_that_fails_is_not_the_last_one(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(follow, "LOOK_EVERY", timedelta(milliseconds=1))
    monkeypatch.setattr(follow, "HEARTBEAT", timedelta(milliseconds=200))
    fails = [error]

    async def look(path: str, known: str) -> Seen | None:
        if fails:
            raise fails.pop()
        return None if known else Seen("1", b"atelierd.update(1);\n")

    async def run() -> None:
        events = Followers(look).follow(LIVE)
        assert [await anext(events) for _ in range(2)][1] == b"event: update\ndata: 1\n\n"
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_there_is_an_end_to_how_many_may_follow(
    client: Client, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "MOST", 2)
    write(outbox, "atelierd.update(1);\n")
    for _ in range(2):
        next_event(client.begin(f"/{LIVE}?follow"))
    assert client.get(f"/{LIVE}?follow").status == 503


def test_a_stop_ends_every_follower_and_leaves_no_thread(client: Client, outbox: Path) -> None:
    write(outbox, "atelierd.update(1);\n")
    answers = [client.begin(f"/{LIVE}?follow") for _ in range(20)]
    for answer in answers:
        next_event(answer)
    client.server.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]
    for thread in threading.enumerate():
        if thread.name == "web-call":  # a look at the script that was under way
            thread.join(30)
            assert not thread.is_alive()
    for answer in answers:
        assert answer.read() in (b"", follow._NOTHING)
