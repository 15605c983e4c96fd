"""A bad line on the loopback: slow, late, and cut when the test says so."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

#: Bytes that go over the line in one piece.
_PIECE = 8_192


def free_port() -> int:
    """Return a port of the loopback that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, patience: float = 30.0) -> None:
    """Wait until a server listens there. Raises OSError if none does in time."""
    until = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=patience).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


class BadLine:
    """Passes what comes to `port` on to a server's port, and back."""

    def __init__(
        self, server: int, *, bytes_a_second: float = float("inf"), delay: float = 0.0
    ) -> None:
        """`delay` is added to each piece, in seconds, in each direction."""
        self._server = server
        self._pause = delay
        self._rate = bytes_a_second
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.passed = 0
        self._start(self._accept)

    def become(self, *, bytes_a_second: float = float("inf"), delay: float = 0.0) -> None:
        """Be so good from now on."""
        self._rate, self._pause = bytes_a_second, delay

    def cut(self) -> None:
        """End all connections that there are, as a pulled cable does at last."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _start(self, run: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(near)
            try:
                far = socket.create_connection(("127.0.0.1", self._server))
            except OSError:
                near.shutdown(socket.SHUT_RDWR)
                continue
            self._sockets.append(far)
            self._start(self._pass, near, far)
            self._start(self._pass, far, near)

    def _pass(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := here.recv(_PIECE):
                time.sleep(self._pause + len(piece) / self._rate)
                there.sendall(piece)
                self.passed += len(piece)
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_RDWR)
