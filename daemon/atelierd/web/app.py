"""The application: which request is answered with what. It reads, and changes nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from atelierd.errors import WorldFault
from atelierd.outbox import layout
from atelierd.outbox.pages.index import LIVE
from atelierd.outbox.pages.markup import served
from atelierd.settings import Settings
from atelierd.web.boxed import Boxes
from atelierd.web.files import PAGE, UNKNOWN, NotServedError, OutboxFile, open_file
from atelierd.web.follow import Followers, Seen, TooManyError
from atelierd.web.guard import Guard
from atelierd.web.health import reasons_against
from atelierd.web.metrics import Metrics
from atelierd.web.policy import FILE_POLICY, PICTURE_POLICY, page_policy
from atelierd.web.sharefacts import ShareFacts, look_at

#: Bytes of a page that is read whole; the index of 1,000 jobs has 2 MB.
LARGEST_PAGE = 1 << 26
#: Bytes of a script that followers are sent; the report of 1,000 renders has 1 MB.
LARGEST_SCRIPT = 1 << 24
#: How long answers that are on their way are waited for at a stop.
CLOSING_PATIENCE = timedelta(milliseconds=500)
#: How long health and metrics wait for the share.
SHARE_PATIENCE = timedelta(seconds=3)


class Web:
    """What answers the requests for one outbox, on one event loop."""

    def __init__(self, settings: Settings, *, loopback: bool) -> None:
        """On a `loopback` address, only its names are answered to."""
        self._settings = settings
        self._boxes = Boxes()
        self._quick = Boxes(SHARE_PATIENCE)
        self._metrics = Metrics(settings)
        self._followers = Followers(self._look)
        routes = [
            Route("/healthz", self._healthz),
            Route("/metrics", self._show_metrics),
            Route("/{path:path}", self._file),
        ]
        self.app = Guard(Starlette(routes=routes), loopback=loopback)

    def change(self, settings: Settings) -> None:
        """Answer by changed settings of the same daemon from now on; from any thread."""
        self._settings = settings
        self._metrics.settings = settings

    async def close(self) -> None:
        """End the answers that would have no end, or may have none."""
        await self._followers.close()
        await asyncio.sleep(CLOSING_PATIENCE.total_seconds())
        self._boxes.close()
        self._quick.close()

    async def _healthz(self, _: Request) -> Response:
        reasons = reasons_against(self._settings, await self._share())
        state = "unhealthy" if reasons else "ok"
        return JSONResponse(
            {"status": state, "reasons": reasons}, status_code=503 if reasons else 200
        )

    async def _show_metrics(self, request: Request) -> Response:
        share, accept = await self._share(), request.headers.get("accept", "")
        text, kind = await self._boxes.run(lambda: self._metrics.text(accept, share))
        return Response(text, headers={"content-type": kind})

    async def _share(self) -> ShareFacts:
        try:
            return await self._quick.run(lambda: look_at(self._settings))
        except WorldFault:
            return ShareFacts()

    async def _file(self, request: Request) -> Response:
        path = request.path_params["path"] or layout.INDEX
        try:
            if "follow" in request.query_params and path.rpartition("/")[2] == LIVE:
                return await self._follow(request, path)
            return await self._answer(request, await self._open(path))
        except NotServedError:
            return _missing(path)
        except TooManyError:
            return PlainTextResponse("Too many pages are open at once.\n", 503)
        except WorldFault as fault:
            return PlainTextResponse(f"{fault}\n", 503)

    async def _answer(self, request: Request, found: OutboxFile) -> Response:
        headers = {
            "etag": f'"{found.tag}"',
            "last-modified": found.modified_text,
            "content-security-policy": _policy_of(found.kind),
        }
        if headers["etag"] in request.headers.get("if-none-match", ""):
            found.file.close()
            # With all headers: a browser takes them over for what it has kept.
            return Response(status_code=304, headers=headers)
        headers["content-type"] = found.kind
        if found.kind == PAGE:
            html = await self._boxes.run(lambda: found.whole(LARGEST_PAGE))
            return Response(served(html), headers=headers)
        headers["content-length"] = str(found.size)
        if found.kind == UNKNOWN:
            headers["content-disposition"] = "attachment"
        if request.method == "HEAD":
            found.file.close()
            return Response(headers=headers)
        return _FileAnswer(found, self._boxes, headers)

    async def _open(self, path: str) -> OutboxFile:
        return await self._boxes.run(
            lambda: open_file(self._settings.outbox, path), lambda found: found.file.close()
        )

    async def _follow(self, request: Request, path: str) -> Response:
        headers = {"content-type": "text/event-stream", "content-security-policy": FILE_POLICY}
        # There is nothing to follow where nothing lies.
        (await self._open(path)).file.close()
        if request.method == "HEAD":
            return Response(headers=headers)
        return StreamingResponse(self._followers.follow(path), headers=headers)

    async def _look(self, path: str, known: str) -> Seen | None:
        def look() -> Seen | None:
            try:
                found = open_file(self._settings.outbox, path)
            except NotServedError:
                return Seen("", b"") if known else None
            if found.tag == known:
                found.file.close()
                return None
            return Seen(found.tag, found.whole(LARGEST_SCRIPT))

        return await self._boxes.run(look)


class _FileAnswer(StreamingResponse):
    """A file of any size, piece by piece."""

    def __init__(self, found: OutboxFile, boxes: Boxes, headers: dict[str, str]) -> None:
        self._found = found
        self._boxes = boxes
        super().__init__(self._chunks(), headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # In a thread: a piece that hangs keeps the file, and whoever wants to close it.
            threading.Thread(target=self._found.file.close, name="web-call", daemon=True).start()

    async def _chunks(self) -> AsyncIterator[bytes]:
        chunks = self._found.chunks()
        while chunk := await self._boxes.run(lambda: next(chunks, b"")):
            yield chunk


def _policy_of(kind: str) -> str:
    if kind == PAGE:
        return page_policy()
    return PICTURE_POLICY if kind.startswith("image/") else FILE_POLICY


def _missing(path: str) -> Response:
    if path == layout.INDEX:
        words = "There is no index yet: the daemon writes it when it runs for the first time.\n"
        return PlainTextResponse(words, 404)
    return PlainTextResponse("There is no such file in the outbox.\n", 404)
