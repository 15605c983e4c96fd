"""Receivers that listen on this machine and do what a test tells them, good or bad."""

from __future__ import annotations

import base64
import contextlib
import socketserver
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CERTIFICATE = Path(__file__).with_name("localhost.pem")
#: Seconds that anything may take.
PATIENCE = 30.0


@dataclass(frozen=True)
class Call:
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class WebhookServer:
    """Answers each call as the next of `script` says, and 200 when that is used up.

    A number is a status; `hang` never answers, `cut` closes the connection without an answer,
    `drip` answers 200 with a body that does not end.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: deque[int | str] = deque()
        self.released = threading.Event()
        self.came = threading.Semaphore(0)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.calls.append(Call(self.path, dict(self.headers), body))
                outer.came.release()
                what = outer.script.popleft() if outer.script else 200
                if what == "hang":
                    outer.released.wait(PATIENCE)
                if isinstance(what, str) and what != "drip":
                    self.close_connection = True
                    return
                self.send_response(200 if what == "drip" else int(what))
                if what in (301, 302, 307):
                    self.send_header("Location", "/elsewhere")
                if what == "drip":
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        while not outer.released.wait(0.01):
                            self.wfile.write(b"and so on ")
                    return
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/s3cret-in-the-path"

    def waited_for(self, count: int = 1) -> bool:
        """Wait until so many calls more have come."""
        return all(self.came.acquire(timeout=PATIENCE) for _ in range(count))

    @contextlib.contextmanager
    def serving(self) -> Iterator[WebhookServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@dataclass
class Letter:
    """A message that came."""

    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    data: bytes = b""
    encrypted: bool = False
    user: str = ""


class MailServer:
    """A small SMTP server; `script` names, for each connection in turn, what it does wrong.

    An entry is a command with what is answered to it, such as `RCPT 550 no such person`, or
    `DATA cut` to close the connection there, or `hang` for a server that says nothing; empty for
    one that does all right.
    """

    def __init__(self, *, encryption: str = "none", password: str | None = None) -> None:
        self.letters: list[Letter] = []
        self.script: deque[str] = deque()
        self.released = threading.Event()
        self.came = threading.Semaphore(0)
        self.encryption = encryption
        self.password = password
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(CERTIFICATE)
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                session = _Session(outer, self)
                try:
                    with contextlib.suppress(OSError):
                        session.run()
                finally:
                    session.close()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])

    def waited_for(self, count: int = 1) -> bool:
        """Wait until so many messages more have come."""
        return all(self.came.acquire(timeout=PATIENCE) for _ in range(count))

    @contextlib.contextmanager
    def serving(self) -> Iterator[MailServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Session:
    def __init__(self, server: MailServer, handler: socketserver.StreamRequestHandler) -> None:
        self._server = server
        self._socket = handler.request
        fault = server.script.popleft() if server.script else ""
        self._at, _, self._does = fault.partition(" ")
        self._letter = Letter()
        self._opened: list[Any] = []

    def run(self) -> None:
        if self._at == "hang":
            self._server.released.wait(PATIENCE)
            return
        if self._server.encryption == "ssl":
            self._encrypt()
        self._open()
        self._say("220 ready")
        while line := self._file.readline():
            command, _, rest = line.decode().strip().partition(" ")
            if command.upper() == self._at:
                if self._does == "cut":
                    return
                self._say(self._does)
                continue
            if not self._answer(command.upper(), rest):
                return

    def close(self) -> None:
        for one in self._opened:
            one.close()

    def _open(self) -> None:
        self._file = self._socket.makefile("rb")
        self._opened.append(self._file)

    def _encrypt(self) -> None:
        self._socket = self._server.context.wrap_socket(self._socket, server_side=True)
        self._opened.append(self._socket)
        self._letter.encrypted = True

    def _say(self, line: str) -> None:
        self._socket.sendall(f"{line}\r\n".encode())

    def _answer(self, command: str, rest: str) -> bool:
        """Answer a command; return whether the session goes on."""
        does = getattr(self, f"_{command.lower()}", None)
        if does is None:
            self._say("250 yes")
            return True
        return bool(does(rest))

    def _ehlo(self, _: str) -> bool:
        offers = ["hello"]
        if self._server.encryption == "starttls" and not self._letter.encrypted:
            offers.append("STARTTLS")
        if self._server.password is not None:
            offers.append("AUTH PLAIN")
        for offer in offers[:-1]:
            self._say(f"250-{offer}")
        self._say(f"250 {offers[-1]}")
        return True

    def _starttls(self, _: str) -> bool:
        self._say("220 go on")
        self._encrypt()
        self._open()
        return True

    def _auth(self, rest: str) -> bool:
        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
        self._letter.user = user
        right = password == self._server.password
        # Some servers really do repeat what they were told.
        self._say("235 welcome" if right else f"535 not {password}")
        return True

    def _mail(self, rest: str) -> bool:
        self._letter.sender = rest
        self._say("250 yes")
        return True

    def _rcpt(self, rest: str) -> bool:
        self._letter.recipients.append(rest)
        self._say("250 yes")
        return True

    def _data(self, _: str) -> bool:
        self._say("354 go on")
        lines = []
        while (line := self._file.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self._letter.data = b"".join(lines)
        self._server.letters.append(self._letter)
        self._server.came.release()
        if self._at == "SENT" and self._does == "cut":
            return False
        self._say(self._does if self._at == "SENT" else "250 taken")
        return True

    def _quit(self, _: str) -> bool:
        self._say("221 bye")
        return False
