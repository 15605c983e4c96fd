"""Everything wrong that people, programs and enemies drop, in one run of the real daemon."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.integration.daemon import Daemon, Share

from atelierd.outbox import layout

pytestmark = [pytest.mark.weights, pytest.mark.slow]

GOOD = "content: astronaut.png\nstyle: coffee.jpg\n"

#: Job files that end in an error, with words that it must have.
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "binary": (b"\x00\x01\x02content\x7f\x1b" * 50, "NUL"),
    "latin": (b"content: caf\xe9.jpg\nstyle: coffee.jpg\n", "UTF-8"),
    "fifty-megabytes": (b"# as long as a film\n" * 2_500_000 + GOOD.encode(), "bytes"),
    "deep": ("content: " + "[" * 5000 + "]" * 5000 + "\nstyle: coffee.jpg\n", "inside each other"),
    "aliases": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ncontent: *c\nstyle: coffee.jpg\n",
        "anchor",
    ),
    "object": ("content: !!python/object/apply:os.system [true]\nstyle: coffee.jpg\n", "tag"),
    "unknown": (f"{GOOD}colour: blue\n", "line 3, colour: unknown key"),
    "misspelt": (f"{GOOD}iteratoins: 5\n", "did you mean iterations?"),
    "types": (f"{GOOD}iterations: many\nsize: [1]\n", "line 3, iterations: found 'many'"),
    "nan": (f"{GOOD}style_weight: .nan\n", "line 3, style_weight"),
    "infinite": (f"{GOOD}content_weight: .inf\n", "line 3, content_weight"),
    "negative": (f"{GOOD}size: -512\n", "line 3, size: found -512"),
    "absolute": ("content: /etc/passwd\nstyle: coffee.jpg\n", "absolute path"),
    "climbing": ("content: ../../state/ledger.sqlite\nstyle: coffee.jpg\n", "climbs out"),
    "drive": ("content: C:\\photo.jpg\nstyle: coffee.jpg\n", "drive letter"),
    "linked": ("content: link.jpg\nstyle: coffee.jpg\n", "link"),
    "linked-folder": ("content: away/secret.jpg\nstyle: coffee.jpg\n", "link"),
    "text": ("content: text.jpg\nstyle: coffee.jpg\n", "text.jpg"),
    "bomb": ("content: bomb.png\nstyle: coffee.jpg\n", "30000 x 30000"),
    "cut": ("content: cut.png\nstyle: coffee.jpg\n", "cut.png"),
}
#: Job files that wait, and fail when they have waited for long enough.
GIVEN_UP: dict[str, tuple[str, str]] = {
    "empty": ("", "it is empty"),
    "missing": ("content: astronaut.png\nstyle: art/starry.jpg\n", "art/starry.jpg"),
    "nothing": ("content: nothing.jpg\nstyle: coffee.jpg\n", "nothing.jpg, which is empty"),
}
#: Names of job files that are none, and stay where they are, with a reason.
PASSED_OVER = ("folder.yaml", "pipe.yaml", "link.yaml")

#: Seconds between two bytes of the job file that is written slowly; the settle time is longer.
SLOWLY = 0.15


def one_color_png(side: int) -> bytes:
    """Return a PNG of one color, small as a file and large in memory."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packed = zlib.compressobj(1)
    row = bytes(1 + (side + 7) // 8)
    pieces = [packed.compress(row * 1000) for _ in range(side // 1000)]
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    image = b"".join(pieces) + packed.flush()
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", image) + chunk(b"IEND", b"")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A picture that lies outside of the inbox."""
    folder = tmp_path / "private"
    folder.mkdir()
    Image.radial_gradient("L").save(folder / "secret.jpg")
    return folder / "secret.jpg"


def put_everything(share: Share, secret: Path) -> None:
    inbox = share.inbox
    (inbox / "link.jpg").symlink_to(secret)
    (inbox / "away").symlink_to(secret.parent)
    (inbox / "text.jpg").write_text("no picture at all")
    (inbox / "nothing.jpg").touch()
    (inbox / "bomb.png").write_bytes(one_color_png(30_000))
    (inbox / "cut.png").write_bytes((inbox / "astronaut.png").read_bytes()[:20_000])
    for name, (data, _) in (REFUSED | GIVEN_UP).items():
        share.drop(f"{name}.yaml", data)
    (inbox / "folder.yaml").mkdir()
    os.mkfifo(inbox / "pipe.yaml")
    private = secret.with_name("job.yaml")
    private.write_text(GOOD)
    (inbox / "link.yaml").symlink_to(private)


def write_slowly(path: Path, text: str) -> None:
    with path.open("wb", buffering=0) as file:
        for byte in text.encode():
            file.write(bytes([byte]))
            time.sleep(SLOWLY)


def bring_late(share: Share) -> None:
    time.sleep(4)
    (share.inbox / "late.png").write_bytes((share.inbox / "astronaut.png").read_bytes())


def test_each_bad_file_ends_in_an_error_or_a_visible_wait_and_the_next_job_is_rendered(
    new_share: Callable[..., Share], started: Callable[..., Daemon], secret: Path
) -> None:
    share = new_share(
        share={"settle": "1 s", "scan_interval": "500 ms", "missing_timeout": "15 s"},
        max_pixels=100_000_000,
    )
    daemon = started(share)
    put_everything(share, secret)
    share.drop("late.yaml", "content: late.png\nstyle: coffee.jpg\n")
    helpers = [
        threading.Thread(target=write_slowly, args=(share.inbox / "slow.yaml", GOOD)),
        threading.Thread(target=bring_late, args=(share,)),
    ]
    for helper in helpers:
        helper.start()

    def waiting() -> dict[str, str]:
        return {one["file"]: one["reason"] for one in share.overview().get("waiting", [])}

    def all_wait() -> bool:
        reasons = waiting()
        return all(
            words in reasons.get(f"{name}.yaml", "") for name, (_, words) in GIVEN_UP.items()
        )

    # What waits is seen to wait, and for what.
    daemon.wait_for(all_wait)

    everything = [*REFUSED, *GIVEN_UP, "slow", "late"]
    daemon.wait_for(lambda: share.finished(*everything))
    for helper in helpers:
        helper.join()
    for name in (*REFUSED, *GIVEN_UP):
        assert not (share.inbox / f"{name}.yaml").exists()
        assert share.job(name)["state"] == "failed"
    wanted = {name: words for name, (_, words) in (REFUSED | GIVEN_UP).items()}
    wrong = {name: share.error(name) for name in wanted if wanted[name] not in share.error(name)}
    assert not wrong
    for name in ("slow", "late"):
        assert share.job(name)["state"] == "done"
    assert (share.outbox / "slow" / layout.ORIGINAL).read_text() == GOOD

    daemon.wait_for(lambda: waiting().keys() == set(PASSED_OVER))
    reasons = waiting()
    assert "folder" in reasons["folder.yaml"]
    assert "link" in reasons["link.yaml"]

    share.drop("next.yaml", GOOD)
    daemon.wait_for(lambda: share.finished("next"))
    assert share.job("next")["state"] == "done"

    # Nobody's picture was moved, and nothing from outside the inbox was taken in.
    assert (share.inbox / "text.jpg").exists()
    taken = {path.name for path in (share.folder / "state" / "inputs").glob("??/*")}
    allowed = [share.inbox / name for name in ("astronaut.png", "coffee.jpg", "cut.png")]
    assert taken == {hashlib.sha256(path.read_bytes()).hexdigest() for path in allowed}
    assert daemon.stop() == 0
