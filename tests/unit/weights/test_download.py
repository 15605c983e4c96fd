"""Downloads against a server on this machine that misbehaves in the ways servers do."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from atelierd.errors import WeightsError
from atelierd.weights.catalog import Digest, Download
from atelierd.weights.download import Timing, downloaded

DATA = bytes(range(256)) * 2000  # 512000 bytes
HALF = 4 << 16  # four whole chunks of what is read at a time
PIN = Digest("sha256", hashlib.sha256(DATA).hexdigest())
TIMING = Timing(
    connect=timedelta(seconds=2),
    read=timedelta(seconds=0.3),
    back_off=(timedelta(milliseconds=1),) * 3,
)

Answer = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    """Answers request i with `answers[i]`, the last one for all that follow."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Answer] = [whole]
        self.asked: list[dict[str, str]] = []
        self.data = DATA
        self.etag: str | None = '"first"'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weights.h5?key=1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        answers = self.server.answers
        answers[min(len(self.server.asked), len(answers)) - 1](self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def start(self, status: int, length: int, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def whole(handler: Handler) -> None:
    """As a good server does: the rest where the version is the same, else the whole file."""
    server, data = handler.server, handler.server.data
    asked = handler.headers.get("Range", "bytes=0-")
    begin = int(asked.removeprefix("bytes=").removesuffix("-"))
    if not begin or handler.headers.get("If-Range", server.etag) != server.etag:
        handler.start(200, len(data))
        handler.wfile.write(data)
    elif begin >= len(data):
        handler.start(416, 0, Content_Range=f"bytes */{len(data)}")
    else:
        rest = data[begin:]
        handler.start(206, len(rest), Content_Range=f"bytes {begin}-{len(data) - 1}/{len(data)}")
        handler.wfile.write(rest)


def without_ranges(handler: Handler) -> None:
    handler.start(200, len(DATA))
    handler.wfile.write(DATA)


def without_if_range(handler: Handler) -> None:
    rest = handler.server.data[HALF:]
    content_range = f"bytes {HALF}-{len(DATA) - 1}/{len(DATA)}"
    handler.start(206, len(rest), Content_Range=content_range)
    handler.wfile.write(rest)


def cut_off(handler: Handler) -> None:
    handler.start(200, len(DATA))
    handler.wfile.write(DATA[:HALF])
    handler.close_connection = True


def stalling(handler: Handler) -> None:
    handler.start(200, len(DATA))
    handler.wfile.write(DATA[:HALF])
    handler.wfile.flush()
    time.sleep(3 * TIMING.read.total_seconds())


def silent(handler: Handler) -> None:
    time.sleep(3 * TIMING.read.total_seconds())


def dropping(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def status(code: int) -> Answer:
    return lambda handler: handler.start(code, 0)


def from_elsewhere(handler: Handler) -> None:
    handler.start(206, 10, Content_Range=f"bytes 7-16/{len(DATA)}")
    handler.wfile.write(DATA[7:17])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(url: str, folder: Path, pin: Digest | None = PIN) -> bytes:
    with downloaded(Download("test", url, pin), folder, lambda *_: None, TIMING) as path:
        return path.read_bytes()


def failure(url: str, folder: Path, pin: Digest | None = PIN) -> str:
    with pytest.raises(WeightsError) as caught:
        get(url, folder, pin)
    return str(caught.value)


def ranges(server: Server) -> list[tuple[str | None, str | None]]:
    return [(headers.get("Range"), headers.get("If-Range")) for headers in server.asked]


def test_a_whole_file_arrives_with_its_progress_and_leaves_nothing_behind(
    server: Server, tmp_path: Path
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    source = Download("test", server.url, PIN)
    with downloaded(source, tmp_path, lambda *values: seen.append(values), TIMING) as path:
        assert path.read_bytes() == DATA
        assert path.name.endswith("-weights.h5")
    assert seen[0] == ("test", 0, len(DATA))
    assert seen[-1] == ("test", len(DATA), len(DATA))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", [cut_off, stalling], ids=["cut off", "stalling"])
def test_a_broken_download_goes_on_where_it_was(
    server: Server, tmp_path: Path, broken: Answer
) -> None:
    server.answers = [broken, whole]
    assert get(server.url, tmp_path) == DATA
    (first, second) = ranges(server)
    assert first == (None, None)
    assert second[0] is not None
    assert 0 < int(second[0].removeprefix("bytes=").removesuffix("-")) <= HALF
    assert second[1] == '"first"'


def test_a_download_is_resumed_by_the_next_call(server: Server, tmp_path: Path) -> None:
    server.answers = [cut_off, status(404)]
    assert failure(server.url, tmp_path) == "it answered 404 Not Found"
    server.answers = [whole]
    assert get(server.url, tmp_path) == DATA
    assert ranges(server)[-1] == (f"bytes={HALF}-", '"first"')


def test_a_file_that_was_replaced_meanwhile_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.answers = [cut_off, status(404)]
    failure(server.url, tmp_path)
    server.answers, server.etag, server.data = [whole], '"second"', DATA[::-1]
    assert get(server.url, tmp_path, None) == DATA[::-1]


def test_a_part_of_another_version_is_not_appended(server: Server, tmp_path: Path) -> None:
    server.answers = [cut_off, status(404)]
    failure(server.url, tmp_path)
    server.answers, server.etag, server.data = [without_if_range, whole], '"second"', DATA[::-1]
    server.asked.clear()
    assert get(server.url, tmp_path, None) == DATA[::-1]
    assert ranges(server) == [(f"bytes={HALF}-", '"first"'), (None, None)]


def test_without_a_version_the_digest_decides_whether_the_parts_fit(
    server: Server, tmp_path: Path
) -> None:
    server.answers, server.etag, server.data = [cut_off, status(404)], None, DATA[::-1]
    failure(server.url, tmp_path)
    server.answers = [whole]
    pin = Digest("md5", hashlib.md5(DATA[::-1]).hexdigest())
    assert get(server.url, tmp_path, pin) == DATA[::-1]
    assert ranges(server)[-2:] == [(f"bytes={HALF}-", None), (None, None)]


def test_a_server_that_ignores_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.answers = [cut_off, without_ranges]
    assert get(server.url, tmp_path) == DATA


def test_a_range_from_elsewhere_is_not_appended(server: Server, tmp_path: Path) -> None:
    server.answers = [cut_off, from_elsewhere, whole]
    assert get(server.url, tmp_path) == DATA
    assert ranges(server)[-1] == (None, None)


def test_a_whole_file_that_was_left_behind_is_not_fetched_again(
    server: Server, tmp_path: Path
) -> None:
    server.answers = [cut_off, status(404)]
    failure(server.url, tmp_path)
    (partial,) = (path for path in tmp_path.iterdir() if not path.name.endswith(".version"))
    partial.write_bytes(DATA)
    server.answers = [whole]
    assert get(server.url, tmp_path) == DATA
    assert ranges(server)[-1] == (f"bytes={len(DATA)}-", '"first"')


def test_a_wrong_digest_is_named_and_the_file_thrown_away(server: Server, tmp_path: Path) -> None:
    pin = Digest("sha256 prefix", "397923af")
    found = PIN.value[:8]
    assert failure(server.url, tmp_path, pin) == (
        f"the file of 512000 bytes has sha256 prefix {found}, expected 397923af"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("passing", [status(503), status(429), silent, dropping])
def test_failures_that_pass_are_tried_again(
    server: Server, tmp_path: Path, passing: Answer
) -> None:
    server.answers = [passing, passing, whole]
    assert get(server.url, tmp_path) == DATA
    assert len(server.asked) == 3


def test_failures_that_stay_are_given_up_with_their_reason(server: Server, tmp_path: Path) -> None:
    server.answers = [status(503)]
    assert failure(server.url, tmp_path) == (
        "it answered 503 Service Unavailable; gave up after 4 tries"
    )
    server.answers = [silent]
    assert failure(server.url, tmp_path) == "no answer within 0.3 s; gave up after 4 tries"
    server.answers = [dropping]
    assert failure(server.url, tmp_path) == (
        "the connection broke before it answered; gave up after 4 tries"
    )


def test_tries_that_win_bytes_are_not_counted(server: Server, tmp_path: Path) -> None:
    def a_little(handler: Handler) -> None:
        begin = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        content_range = f"bytes {begin}-{len(DATA) - 1}/{len(DATA)}"
        handler.start(206 if begin else 200, len(DATA) - begin, Content_Range=content_range)
        handler.wfile.write(DATA[begin : begin + 70_000])
        handler.close_connection = True

    server.answers = [a_little]
    assert get(server.url, tmp_path) == DATA
    assert len(server.asked) > 1 + len(TIMING.back_off)


def test_a_host_that_is_out_of_reach_is_not_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    slow = Timing(back_off=(timedelta(hours=1),))
    for url, words in [
        (f"http://127.0.0.1:{port}/w.h5", "it refuses connections or cannot be reached"),
        ("http://no-such-host.invalid/w.h5", "its host name is not known here"),
        ("http:///w.h5", "it cannot be asked: InvalidURL"),
    ]:
        source = Download("test", url)
        with (
            pytest.raises(WeightsError) as caught,
            downloaded(source, tmp_path, lambda *_: None, slow),
        ):
            pass
        assert str(caught.value) == words


def test_a_full_disk_is_the_callers_matter(server: Server, tmp_path: Path) -> None:
    (tmp_path / "partial").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="exists"):
        get(server.url, tmp_path / "partial")
