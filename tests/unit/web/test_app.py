from __future__ import annotations

import errno
import io
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.unit.web.conftest import Client

from atelierd.outbox.pages.markup import INDEX_ASSETS, REPORT_ASSETS, page
from atelierd.share import MARKER_NAME
from atelierd.web import app
from atelierd.web.boxed import Boxes
from atelierd.web.files import OutboxFile

REPORT = page(
    "report.html", *REPORT_ASSETS, heading="sky", crumbs=(), live="report_files/live.js", body="",
    job_id="a1", source="sky.yaml",
)  # fmt: skip
INDEX = page(
    "index.html", *INDEX_ASSETS, parts=dict.fromkeys(
        ("status", "trouble", "running", "queued", "held", "waiting"), ""),
    cards=(), digest="", older=0, folder="index_files", written=datetime(2026, 3, 1, tzinfo=UTC),
    report=None,
)  # fmt: skip


@pytest.fixture(autouse=True)
def filled(outbox: Path) -> None:
    (outbox / "index.html").write_bytes(INDEX)
    (outbox / "sky").mkdir()
    (outbox / "sky" / "report.html").write_bytes(REPORT)
    (outbox / "sky" / "sky.png").write_bytes(b"picture" * 100_000)
    (outbox / "sky" / "notes.svg").write_text("<svg onload='alert(1)'/>")


def test_the_root_is_the_index_and_says_that_it_is_served(client: Client) -> None:
    answer = client.get("/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body.replace(b' data-served="live"', b"", 1) == INDEX
    assert answer.body == client.get("/index.html").body


@pytest.mark.parametrize("path", ["/", "/sky/report.html"])
def test_a_page_may_run_what_is_its_own_and_no_file_of_the_share(client: Client, path: str) -> None:
    answer = client.get(path)
    policy = dict(part.split(" ", 1) for part in
                  answer.headers["content-security-policy"].split("; "))  # fmt: skip
    assert policy["default-src"] == "'none'"
    assert "'self'" not in policy["script-src"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    # The page's own policy names the hash of its script, and so does the server's.
    (own,) = {part for part in policy["script-src"].split() if part.strip("'") in
              answer.body.decode().replace("&#39;", "'").replace("&#43;", "+")}  # fmt: skip
    assert own.startswith("'sha256-")


def test_a_picture_comes_whole_and_is_asked_for_again_only_when_it_has_changed(
    client: Client, outbox: Path
) -> None:
    answer = client.get("/sky/sky.png")
    assert answer.body == b"picture" * 100_000
    assert answer.headers["content-length"] == "700000"
    tag = answer.headers["etag"]
    again = client.get("/sky/sky.png", If_None_Match=tag)
    assert (again.status, again.body) == (304, b"")
    (outbox / "sky" / "sky.png").write_bytes(b"another")
    assert client.get("/sky/sky.png", If_None_Match=tag).body == b"another"


def test_a_page_that_has_not_changed_keeps_its_policy(client: Client) -> None:
    answer = client.get("/")
    again = client.get("/", If_None_Match=answer.headers["etag"])
    assert again.status == 304
    name = "content-security-policy"
    assert again.headers[name] == answer.headers[name]


def test_only_the_head_is_sent_where_only_that_is_asked_for(client: Client) -> None:
    for path in ("/", "/sky/sky.png", "/healthz", "/metrics"):
        head, whole = client.get(path, "HEAD"), client.get(path)
        assert head.status == whole.status
        assert head.body == b""
        assert head.headers["content-type"] == whole.headers["content-type"]
    assert client.get("/sky/sky.png", "HEAD").headers["content-length"] == "700000"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "MKCOL"])
def test_nothing_but_reading_is_allowed(client: Client, outbox: Path, method: str) -> None:
    for path in ("/", "/sky/sky.png", "/healthz", "/metrics", "/new.txt"):
        answer = client.get(path, method)
        assert answer.status == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert (outbox / "sky" / "sky.png").stat().st_size == 700_000
    assert not (outbox / "new.txt").exists()


@pytest.mark.parametrize(
    "path", ["/", "/sky/sky.png", "/healthz", "/metrics", "/none", "/%2e%2e/x"]
)
def test_every_answer_has_its_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/sky/..%2f..%2fsecret.txt",
        "/sky/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd", "/%2fetc/passwd", "/sky/%00", "/sky\\..\\..\\secret.txt", f"/{MARKER_NAME}",
        "/sky", "/sky/", "/%ff%fe", "/" + "a" * 5000,
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_outbox(client: Client, outbox: Path, path: str) -> None:
    (outbox.parent / "secret.txt").write_text("not for them")
    answer = client.get(path)
    assert answer.status == 404
    assert b"not for them" not in answer.body


def test_what_a_browser_might_run_is_only_saved(client: Client) -> None:
    headers = client.get("/sky/notes.svg").headers
    assert headers["content-disposition"] == "attachment"
    assert headers["content-type"] == "application/octet-stream"
    assert "sandbox" in headers["content-security-policy"]


def test_a_page_that_is_not_ours_is_left_as_it_is_and_runs_nothing(
    client: Client, outbox: Path
) -> None:
    page = b"<!doctype html>\n<script>alert(1)</script>"
    (outbox / "evil.html").write_bytes(page)
    answer = client.get("/evil.html")
    assert answer.body == page
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]


def test_a_job_of_any_name_is_reached(client: Client, outbox: Path) -> None:
    name = "it's <b>#1?</b> 100% 🌃"
    folder = outbox / name.replace("/", "-")
    folder.mkdir()
    (folder / "report.html").write_bytes(REPORT)
    assert client.get(f"/{quote(folder.name)}/report.html").status == 200


def test_jobs_called_like_the_servers_own_pages_are_reached_too(
    client: Client, outbox: Path
) -> None:
    for name in ("healthz", "metrics"):
        (outbox / name).mkdir()
        (outbox / name / "report.html").write_bytes(REPORT)
        assert client.get(f"/{name}/report.html").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8765", 200), ("LOCALHOST", 200), ("127.0.0.1", 200), ("[::1]:80", 200),
        ("127.0.0.1:1", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("", 421),
        ("localhost.evil.example:80", 421), ("[::2]", 421), ("192.168.1.5", 421),
    ],
)  # fmt: skip
def test_a_name_of_elsewhere_that_points_here_is_not_answered(
    client: Client, host: str, status: int
) -> None:
    answer = client.get("/", Host=host)
    assert answer.status == status
    assert (b"Painting now" in answer.body) is (status == 200)


def test_at_an_address_that_was_asked_for_any_name_is_answered(
    served: Callable[..., Client],
) -> None:
    assert served("0.0.0.0").get("/", Host="atelier.example").status == 200


def test_a_share_that_is_gone_is_said(client: Client, outbox: Path) -> None:
    (outbox / MARKER_NAME).unlink()
    answer = client.get("/")
    assert answer.status == 503
    assert b"is the share mounted" in answer.body


def test_before_the_first_run_the_index_is_said_to_come(client: Client, outbox: Path) -> None:
    (outbox / "index.html").unlink()
    answer = client.get("/")
    assert answer.status == 404
    assert b"no index yet" in answer.body


def test_what_cannot_be_told_about_health_is_no_secret(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status == 503
    assert json.loads(answer.body) == {
        "status": "unhealthy",
        "reasons": ["the daemon is not running; start it with `atelierd run`"],
    }


class Hanging(io.RawIOBase):
    """A file whose server is gone."""

    def __init__(self, released: threading.Event) -> None:
        self._released = released

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._released.wait(8)
        return 0


def test_a_page_that_hangs_while_it_is_read_keeps_nobody_else(
    monkeypatch: pytest.MonkeyPatch, served: Callable[..., Client]
) -> None:
    released, patience = threading.Event(), timedelta(milliseconds=200)
    monkeypatch.setattr(app, "Boxes", lambda *_: Boxes(patience))
    monkeypatch.setattr(
        app,
        "open_file",
        lambda *_: OutboxFile(io.BufferedReader(Hanging(released)), "index.html", 9, 0.0, "1"),
    )
    client, began = served(), time.monotonic()
    answer = client.get("/")
    assert answer.status == 503
    assert b"has not answered" in answer.body
    assert client.get("/healthz").status == 503
    assert time.monotonic() - began < 5
    released.set()


def test_a_page_that_cannot_be_read_is_said(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(*_: object) -> bytes:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Hanging, "readinto", stale)
    file: Any = io.BufferedReader(Hanging(threading.Event()))
    monkeypatch.setattr(app, "open_file", lambda *_: OutboxFile(file, "index.html", 9, 0.0, "1"))
    answer = client.get("/")
    assert (answer.status, b"mount it again" in answer.body) == (503, True)
