from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.web.conftest import Answer, Client

from atelierd.address import Address, AddressError
from atelierd.settings import Settings
from atelierd.web import app, server
from atelierd.web.server import WebServer

Served = Callable[..., Client]


@pytest.fixture
def taken() -> Any:
    """A port that another program has."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other


def test_an_address_in_use_is_said_in_words(settings: Settings, taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    with pytest.raises(AddressError, match=f"127.0.0.1:{port} cannot be listened on"):
        WebServer(settings, Address("127.0.0.1", port)).listen()


def test_an_address_in_use_is_tried_again_until_it_is_free(
    settings: Settings,
    taken: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server, "AGAIN_AFTER", timedelta(milliseconds=20))
    one = WebServer(settings, Address("127.0.0.1", taken.getsockname()[1]))
    one.start()
    client = Client(one)
    try:
        until = time.monotonic() + 30
        while "cannot be listened on" not in caplog.text:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.2)  # for some more trials, of which nothing is said
        assert caplog.text.count("cannot be listened on") == 1
        taken.close()
        until = time.monotonic() + 30
        while True:
            try:
                assert client.get("/healthz").status == 503
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)
    finally:
        client.close()
        one.stop()


def test_a_server_that_fails_is_started_again_at_the_same_place(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "AGAIN_AFTER", timedelta(milliseconds=20))
    failures = iter([RuntimeError("a bug"), SystemExit(3)])
    whole = app.Web.__init__

    def fail_twice(*arguments: Any, **named: Any) -> None:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        whole(*arguments, **named)

    monkeypatch.setattr(app.Web, "__init__", fail_twice)
    with caplog.at_level(logging.ERROR):
        client = served()
        until = time.monotonic() + 30
        while True:
            try:
                assert client.get("/healthz").status == 503
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)
    assert caplog.text.count("the server has failed") == 2


def test_a_bug_in_one_answer_is_an_answer_and_no_end(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "reasons_against", lambda *_: 1 // 0)
    answer = client.get("/healthz")
    assert answer.status == 500
    assert b"ZeroDivision" not in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/metrics").status == 200


def test_an_address_for_others_comes_with_a_warning(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "atelierd"):
        served()
        assert caplog.text == ""
        served("0.0.0.0")
    assert "can be reached from other machines" in caplog.text
    assert "without a password" in caplog.text


def test_a_stop_waits_for_no_share_that_hangs(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = threading.Event()

    def hang(*_: Any) -> Any:
        hanging.set()
        threading.Event().wait()  # for ever: a test run may take long

    monkeypatch.setattr(app, "open_file", hang)
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(client.get("/")))
    asking.start()
    assert hanging.wait(30)
    client.server.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]
    asking.join(30)
    assert [answer.status for answer in answers] == [503]
    assert caplog.text == ""


def test_a_server_can_be_stopped_before_it_has_begun(settings: Settings) -> None:
    for _ in range(5):
        one = WebServer(settings, Address("127.0.0.1", 0))
        one.start()
        one.stop()
        assert not [thread for thread in threading.enumerate() if thread.name == "web"]
