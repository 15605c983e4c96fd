"""Whatever bytes come, a picture loads or a JobFault says why not; nothing else gets out."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from atelierd.errors import JobFault
from atelierd.images import ImageLimits, load_picture, probe

KINDS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG"},
    "apng": {"format": "PNG", "save_all": True},
    "jpeg": {"format": "JPEG"},
    "progressive": {"format": "JPEG", "progressive": True},
    "tiff": {"format": "TIFF"},
    "deflated tiff": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    "webp": {"format": "WEBP"},
    "bmp": {"format": "BMP"},
    "gif": {"format": "GIF", "save_all": True},
}
LIMITS = ImageLimits(max_pixels=1_000_000)


@cache
def sound(kind: str) -> bytes:
    ramp: NDArray[np.uint8] = np.mgrid[0:24, 0:30].sum(0).astype(np.uint8)
    image = Image.fromarray(np.dstack([ramp, 255 - ramp, ramp * 3]))
    options = dict(KINDS[kind])
    if "save_all" in options:
        options["append_images"] = [image.rotate(90)]
    exif = Image.Exif()
    exif[0x0112] = 6
    if kind not in ("bmp", "gif"):
        options["exif"] = exif
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def survives(content: bytes) -> None:
    for read in (probe, load_picture):
        try:
            result = read(io.BytesIO(content), "x.img", LIMITS)
        except JobFault as fault:
            assert str(fault).startswith("x.img: found ")
            assert "\n" not in str(fault)
        else:
            assert result.width * result.height <= LIMITS.max_pixels


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_cut_off_at_any_byte_is_loaded_or_refused(kind: str) -> None:
    content = sound(kind)
    for length in range(0, len(content), 1 + len(content) // 200):
        survives(content[:length])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=6),
    near_the_start=st.booleans(),
)
def test_a_picture_with_flipped_bits_is_loaded_or_refused(
    kind: str, changes: list[tuple[float, int]], near_the_start: bool
) -> None:
    content = bytearray(sound(kind))
    reach = min(120, len(content)) if near_the_start else len(content)
    for place, bits in changes:
        content[int(place * (reach - 1))] ^= bits
    survives(bytes(content))


@settings(max_examples=100, deadline=None)
@given(
    head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"GIF89a", b"BM"]),
    rest=st.binary(max_size=200),
)
def test_noise_behind_a_true_beginning_is_loaded_or_refused(head: bytes, rest: bytes) -> None:
    survives(head + rest)
