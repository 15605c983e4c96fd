"""A share full of malice, and one honest job among it: rules 5, 9, 17 and 18."""

from __future__ import annotations

import os
import re
import socket
import struct
import zlib
from pathlib import Path

from tests.faults.audit import audit
from tests.faults.jobs import MIXED, put_pictures
from tests.faults.yard import Yard

from atelierd.exits import Exit
from atelierd.ledger.states import JobState

SCRIPT = '"><script>alert(1)</script>'
LINE = "x\n2026-01-01T00:00:00+00:00 INFO    all is well"
ESCAPE = "\x1b]0;title\x07"
#: What must never be refused with anything but words, by file name.
REFUSED = {
    "bomb.yaml": "a: &a [x,x]\n" + "\n".join(f"b{i}: &b{i} [*a,*a]" for i in range(30)),
    "deep.yaml": "content: " + "[" * 50_000,
    "object.yaml": "!!python/object/apply:os.system ['touch /tmp/owned']",
    "big.yaml": "content: a.png\nstyle: a.png\n" + "# \n" * 3_000_000,
    "climbs.yaml": "content: ../../secret.png\nstyle: a.png",
    "absolute.yaml": "content: /etc/passwd\nstyle: a.png",
    "link.yaml": "content: link.png\nstyle: a.png",
    "pipe.yaml": "content: pipe.png\nstyle: a.png",
    "pixels.yaml": "content: pixels.png\nstyle: a.png",
    "not-a-picture.yaml": "content: text.png\nstyle: a.png",
    "name.yaml": f"content: a.png\nstyle: a.png\nsize: -1\nname: {SCRIPT!r}",
    f"{SCRIPT.replace('/', '_')}.yaml": f"content: a.png\nstyle: a.png\n{SCRIPT!r}: 1",
    f"{LINE}.yaml": "content: a.png\nstyle: 5",
    f"{ESCAPE}.yaml": "content: a.png\nstyle: 5",
    "%s%n{0}{}.yaml": "content: a.png\nstyle: 5\n'%s{0.__class__}': 1",
    "many.yaml": "content: [" + "a.png, " * 20_000 + "]\nstyle: a.png",
}


def test_malice_is_refused_in_words_and_the_honest_job_is_done(yard: Yard) -> None:
    put_pictures(yard)
    (yard.root / "secret.png").write_bytes((yard.inbox / "a.png").read_bytes())
    (yard.inbox / "link.png").symlink_to(yard.root / "secret.png")
    os.mkfifo(yard.inbox / "pipe.png")
    (yard.inbox / "pixels.png").write_bytes(huge_png())
    (yard.inbox / "text.png").write_text("<svg onload=alert(1)>")
    for name in ("pixels.png", "text.png"):
        path = yard.inbox / name
        yard.pictures_put[name] = (path.stat().st_mtime_ns, path.read_bytes())
    special_files(yard.inbox)
    for name, text in REFUSED.items():
        yard.drop(name, text)
    script = SCRIPT.replace("/", "_")
    yard.picture(f"{script}.png", 40, 32)
    honest = {**MIXED["one.yaml"], "content": f"{script}.png", "name": SCRIPT}
    yard.drop("honest.yaml", honest)
    del yard.pictures_put["pixels.png"], yard.pictures_put["text.png"]
    daemon = yard.start(drain=True)
    assert daemon.wait(180) == Exit.FAILED
    ledger = yard.ledger()
    try:
        states = {job.source: job.state for job in ledger.jobs()}
    finally:
        ledger.close()
    assert states.pop("honest.yaml") is JobState.DONE
    assert states == dict.fromkeys(REFUSED, JobState.FAILED)
    assert not Path("/tmp/owned").exists()
    log_is_whole(daemon.log)
    pages_are_safe(yard.outbox)
    for name in ("link.png", "pipe.png", "pixels.png", "text.png", ".hidden.yaml"):
        (yard.inbox / name).unlink()
    audit(yard)


def special_files(inbox: Path) -> None:
    """Put what is no job file under names of job files; none of it may block or be taken."""
    os.mkfifo(inbox / "fifo.yaml")
    (inbox / "folder.yaml").mkdir()
    (inbox / "loop.yaml").symlink_to("loop.yaml")
    (inbox / "passwd.yaml").symlink_to("/etc/passwd")
    (inbox / "up").symlink_to("..")
    (inbox / ".hidden.yaml").write_text("content: a.png\nstyle: a.png\n")
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(inbox)
        try:
            one.bind("socket.yaml")
        finally:
            os.chdir(here)


def huge_png() -> bytes:
    """A PNG of a few bytes that claims 60000 x 60000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100_000)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def log_is_whole(log: str) -> None:
    """Every line is the daemon's own, and steers no terminal."""
    for line in log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\S+ (INFO|WARNING|ERROR) ", line), line
        assert line.isprintable(), line
    assert "all is well\n" not in log


def pages_are_safe(outbox: Path) -> None:
    """No page has an element of a stranger's making."""
    pages = list(outbox.rglob("*.html"))
    assert pages
    for page in pages:
        text = page.read_text()
        assert "<script>alert" not in text, page
        assert ESCAPE[0] not in text, page
    for script in outbox.rglob("*.js"):
        assert "</script>" not in script.read_text(), script
