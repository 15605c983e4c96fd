from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from atelierd.images.wholeness import breaks_off

KINDS = ("PNG", "JPEG", "progressive JPEG", "WEBP", "BMP")


def picture(kind: str, side: int = 64) -> bytes:
    noise = np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    progressive = {"progressive": True} if kind.startswith("progressive") else {}
    Image.fromarray(noise).save(file, format=kind.split()[-1], **progressive)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_whole_does_not_break_off_whatever_follows_it(kind: str) -> None:
    data = picture(kind)
    assert not breaks_off(io.BytesIO(data))
    for more in (b"\0" * 40, b"\n", b"a video that the telephone took, too" * 9_000):
        assert not breaks_off(io.BytesIO(data + more))


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_breaks_off_wherever_it_is_cut(kind: str) -> None:
    data = picture(kind)
    for length in [*range(24, 700, 13), len(data) // 2, len(data) - 20, len(data) - 1]:
        assert breaks_off(io.BytesIO(data[:length])), length


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "progressive JPEG"])
def test_zeros_where_the_rest_is_to_come_are_no_rest(kind: str) -> None:
    data = picture(kind, 200)
    for length in (40, 300, len(data) // 2, len(data) - 20):
        assert breaks_off(io.BytesIO(data[:length].ljust(len(data), b"\0"))), length


def test_a_thumbnail_before_the_scan_is_not_taken_for_the_end() -> None:
    thumbnail = picture("JPEG", 16)
    data = picture("JPEG")
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    with_thumbnail = data[:2] + segment + data[2:]
    assert not breaks_off(io.BytesIO(with_thumbnail))
    assert breaks_off(io.BytesIO(with_thumbnail[: 2 + len(segment) + 900]))


@pytest.mark.parametrize(
    "data", [b"", b"x", b"GIF89a", b"II*\0" + bytes(20), b"content: a.png\n", b"%PDF-1.7"]
)
def test_of_other_files_nothing_is_claimed(data: bytes) -> None:
    assert not breaks_off(io.BytesIO(data))


def test_a_damaged_picture_is_left_to_whoever_decodes_it() -> None:
    png = picture("PNG")
    assert not breaks_off(io.BytesIO(png[:33] + b"?" * 50))
    jpeg = picture("JPEG")
    assert not breaks_off(io.BytesIO(jpeg[:2] + b"?" * 50))
