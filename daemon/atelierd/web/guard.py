"""What stands before the application: who is answered, and the headers of all answers."""

from __future__ import annotations

import ipaddress

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelierd.web.policy import COMMON, FILE_POLICY


class Guard:
    """Refuses what only wants to get in, and sees that no answer goes out without its headers."""

    def __init__(self, app: ASGIApp, *, loopback: bool) -> None:
        """On a `loopback` address, only its names are answered to."""
        self._app = app
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in COMMON.items():
                    headers.setdefault(name, value)
                headers.setdefault("content-security-policy", FILE_POLICY)
            await send(message)

        app = self._app if self._is_welcome(scope) else _stranger
        await app(scope, receive, with_headers)

    def _is_welcome(self, scope: Scope) -> bool:
        """Whether the name that the client has called is one of this machine's own.

        A page of elsewhere may have its own name point to this machine, and would then be allowed
        to read the answers; its name tells.
        """
        if not self._loopback:
            return True
        return any(
            is_loopback_name(value.decode("latin-1"))
            for name, value in scope["headers"]
            if name == b"host"
        )


def is_loopback_name(host: str) -> bool:
    """Whether the `Host` of a request, with a port or without, is this machine to itself."""
    name = host.rpartition("]")[0].removeprefix("[") if "]" in host else host.partition(":")[0]
    if name.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


_stranger = PlainTextResponse(
    "This server listens on the loopback address and answers to its names alone: localhost, "
    "127.0.0.1 or [::1]. A proxy before it has to send one of them as Host.\n",
    421,
)
