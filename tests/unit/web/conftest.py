"""A server of its own for each test, on a free port, over an outbox that the test fills."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from atelierd.address import Address
from atelierd.settings import Settings
from atelierd.share import init_share
from atelierd.web.server import WebServer


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    init_share(tmp_path / "share")
    (tmp_path / "state").mkdir()
    return Settings(
        inbox=tmp_path / "share" / "inbox",
        outbox=tmp_path / "share" / "outbox",
        state=tmp_path / "state",
    )


@pytest.fixture
def outbox(settings: Settings) -> Path:
    return settings.outbox


@dataclass(frozen=True)
class Answer:
    """What a request came to."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Asks one server; nothing is changed of a path on its way."""

    def __init__(self, server: WebServer) -> None:
        self.server = server
        self._open: list[http.client.HTTPConnection] = []

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for `path`; underscores in headers' names are hyphens."""
        answer = self.begin(path, method, **headers)
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, answer.read())

    def begin(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """Ask for `path` and return what comes, to be read from."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.address.port, timeout=30)
        self._open.append(connection)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        return connection.getresponse()

    def close(self) -> None:
        """Leave."""
        for connection in self._open:
            connection.close()


@pytest.fixture
def served(settings: Settings) -> Iterator[Callable[..., Client]]:
    """Return a function that starts a server, by default on the loopback address."""
    clients: list[Client] = []

    def serve(host: str = "127.0.0.1") -> Client:
        server = WebServer(settings, Address(host, 0))
        server.listen()
        server.start()
        clients.append(Client(server))
        return clients[-1]

    yield serve
    for client in clients:
        client.close()
        client.server.stop()


@pytest.fixture
def client(served: Callable[..., Client]) -> Client:
    return served()
