"""The server in a thread of its own: it may fail as it likes, and is started again by itself.

A stop is never kept waiting, neither by pages that are open nor by a share that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from datetime import timedelta

import uvicorn

from atelierd.address import Address, AddressError
from atelierd.settings import Settings
from atelierd.web.app import Web

logger = logging.getLogger(__name__)

#: Time between two trials to listen, or after a failure.
AGAIN_AFTER = timedelta(seconds=15)
#: How long a stop waits for answers that are on their way.
GRACE = timedelta(seconds=1)
#: How long it waits for all of the thread.
STOP_PATIENCE = timedelta(seconds=5)
#: Connections at one time; those beyond are told so.
MOST_CONNECTIONS = 250


class WebServer:
    """Serves one outbox at one address, from `start` to `stop`."""

    def __init__(self, settings: Settings, address: Address) -> None:
        self._settings = settings
        self._address = address
        self._socket: socket.socket | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._uvicorn: uvicorn.Server | None = None
        self._web: Web | None = None
        self._closing: asyncio.Future[None] | None = None

    @property
    def address(self) -> Address:
        """Where it listens; the port is the one that was free, once it does."""
        return self._address

    def change(self, settings: Settings) -> None:
        """Show by changed settings from now on; the address stays."""
        self._settings = settings
        if self._web is not None:
            self._web.change(settings)

    def listen(self) -> None:
        """Take the address. `start` does so, too, but keeps trying. Raises AddressError."""
        if self._socket is not None:
            return
        address = self._address
        family = socket.AF_INET6 if address.is_v6 else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((address.host, address.port))
            listening.listen(256)
        except OSError as error:
            listening.close()
            raise AddressError(
                f"http: {address} cannot be listened on: {error.strerror}; is another program, or "
                "another daemon, there already? Name another address or port"
            ) from error
        self._socket = listening
        self._address = Address(address.host, listening.getsockname()[1])
        logger.info("the outbox is at http://%s/, for reading", self._address)
        if not self._address.is_loopback:
            logger.warning(
                "http: %s can be reached from other machines: whoever reaches it sees every "
                "picture, without a password",
                self._address,
            )

    def start(self) -> None:
        """Begin to serve; what goes wrong is logged and tried again."""
        self._thread.start()

    def stop(self) -> None:
        """End all connections, and the thread."""
        self._stopping.set()
        with self._lock:
            if self._loop is not None:
                # It may have ended just now.
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._end)
        self._thread.join(STOP_PATIENCE.total_seconds())
        if self._thread.is_alive():
            logger.warning("http: the server does not end; it is left behind")

    def _run(self) -> None:
        told = ""
        while not self._stopping.is_set():
            try:
                self.listen()
                told = ""
                asyncio.run(self._serve())
            except AddressError as error:
                if str(error) != told:
                    logger.error("%s; trying again", error)
                told = str(error)
            except (Exception, SystemExit):
                logger.exception("http: the server has failed, the rest goes on; it is tried again")
            self._close()
            self._stopping.wait(AGAIN_AFTER.total_seconds())
        self._close()

    async def _serve(self) -> None:
        assert self._socket is not None
        self._web = Web(self._settings, loopback=self._address.is_loopback)
        config = uvicorn.Config(
            self._web.app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=round(GRACE.total_seconds()),
        )
        self._uvicorn = uvicorn.Server(config)
        with self._lock:
            self._loop = asyncio.get_running_loop()
        try:
            if not self._stopping.is_set():
                await self._uvicorn.serve(sockets=[self._socket])
        finally:
            with self._lock:
                self._loop = None

    def _end(self) -> None:
        """Have the loop end; called on it."""
        assert self._uvicorn is not None
        assert self._web is not None
        self._uvicorn.should_exit = True
        self._closing = asyncio.ensure_future(self._web.close())

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
