from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from atelierd.errors import WorldFault
from atelierd.share import MARKER_NAME
from atelierd.web.files import NotServedError, open_file


def read(outbox: Path, path: str) -> bytes:
    found = open_file(outbox, path)
    with found.file:
        return b"".join(found.chunks())


def test_a_file_is_found_by_its_names(outbox: Path) -> None:
    (outbox / "sky").mkdir()
    (outbox / "sky" / "sky & <b> 🌃.png").write_bytes(b"picture")
    assert read(outbox, "sky/sky & <b> 🌃.png") == b"picture"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt", "sky/../../secret.txt", "/etc/passwd", "sky//sky.png", "sky/./sky.png",
        "", "sky", "sky/", "missing.png", "sky/sky.png/more", "a" * 300, "sky/\0.png", "\ud800",
        "/".join("a" * 20), MARKER_NAME, "sky/.atelierd-job",
    ],
)  # fmt: skip
def test_nothing_else_is_found(outbox: Path, path: str) -> None:
    (outbox.parent / "secret.txt").write_text("not for them")
    (outbox / "sky").mkdir()
    (outbox / "sky" / "sky.png").write_bytes(b"picture")
    (outbox / "sky" / ".atelierd-job").write_text("a1")
    with pytest.raises(NotServedError):
        open_file(outbox, path)


def test_no_link_is_followed_wherever_it_is_and_wherever_it_leads(outbox: Path) -> None:
    secret = outbox.parent / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("not for them")
    (outbox / "sky").mkdir()
    (outbox / "sky" / "key.txt").symlink_to(secret / "key.txt")
    (outbox / "away").symlink_to(secret)
    (outbox / "sky" / "inside.txt").write_text("theirs")
    (outbox / "sky" / "again.txt").symlink_to("inside.txt")
    for path in ("sky/key.txt", "away/key.txt", "sky/again.txt"):
        with pytest.raises(NotServedError):
            open_file(outbox, path)


def test_what_is_no_file_neither_blocks_nor_is_served(outbox: Path) -> None:
    os.mkfifo(outbox / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(outbox / "socket.png"))
        for name in ("pipe.png", "socket.png"):
            with pytest.raises(NotServedError):
                open_file(outbox, name)


def test_a_share_that_is_gone_is_a_fault_of_the_world(outbox: Path) -> None:
    (outbox / "index.html").write_text("as it was")
    (outbox / MARKER_NAME).unlink()
    with pytest.raises(WorldFault, match="is the share mounted"):
        open_file(outbox, "index.html")


def test_a_file_that_grows_while_it_is_read_ends_where_it_ended(outbox: Path) -> None:
    (outbox / "log.txt").write_bytes(b"abc")
    found = open_file(outbox, "log.txt")
    with (outbox / "log.txt").open("ab") as file:
        file.write(b"def")
    with found.file:
        assert b"".join(found.chunks()) == b"abc"
    assert found.size == 3


def test_another_file_of_the_same_name_and_size_has_another_tag(outbox: Path) -> None:
    tags = set()
    for text in (b"one", b"two"):
        new = outbox / "new"
        new.write_bytes(text)
        new.replace(outbox / "file.txt")
        found = open_file(outbox, "file.txt")
        found.file.close()
        tags.add(found.tag)
    assert len(tags) == 2


def test_only_what_atelierd_writes_is_opened_by_a_browser(outbox: Path) -> None:
    kinds = {"a.PNG": "image/png", "a.jpg": "image/jpeg", "a.yaml": "text/plain; charset=utf-8",
             "a.html": "text/html; charset=utf-8", "a.svg": "application/octet-stream",
             "a.xhtml": "application/octet-stream", "a": "application/octet-stream"}  # fmt: skip
    for name, kind in kinds.items():
        (outbox / name).write_bytes(b"")
        found = open_file(outbox, name)
        found.file.close()
        assert found.kind == kind, name
