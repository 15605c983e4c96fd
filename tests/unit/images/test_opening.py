"""What is no picture, is broken, or is too big ends in one sentence, before memory is taken."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from atelierd.errors import JobFault, WorldFault
from atelierd.images import ImageInfo, ImageLimits, Picture, load_picture, probe
from atelierd.images.picture import DEFAULT_LIMITS

Save = Callable[..., Path]
Pixels = NDArray[np.uint8]
Read = Callable[..., Picture] | Callable[..., ImageInfo]

BOTH = pytest.mark.parametrize("read", [load_picture, probe])


class Counting(io.BytesIO):
    """A file that counts the bytes that are read from it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


@BOTH
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", r"found an empty file \(0 bytes\)"),
        (b"content: photo.jpg\nstyle: art.jpg\n", "found text that begins with 'content: photo"),
        ("gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n".encode("utf-16"), "found text"),
        (bytes(4096), "found nothing but zero bytes"),
        (b"<!DOCTYPE html><p>404", "found an HTML page"),
        (b"<?xml version='1.0'?><svg/>", "found an SVG drawing"),
        (b"%PDF-1.7\n", "found a PDF document"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "found a HEIC picture"),
        (b"\0\0\0\x18ftypavif" + bytes(40), "found an AVIF picture"),
        (b"8BPS\0\1" + bytes(40), "found a Photoshop document"),
        (b"PK\x03\x04" + bytes(40), "found a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "found a Git LFS pointer"),
        (b"\x93\x01\xfe\xff" * 99, "found unknown data that begins with the bytes 93 01 fe ff"),
    ],
)
def test_what_is_no_picture_is_named_for_what_it_is(read: Read, content: bytes, found: str) -> None:
    with pytest.raises(JobFault, match=rf"^art/x\.jpg: {found}.*, expected a picture \(PNG, JPEG"):
        read(io.BytesIO(content), "art/x.jpg", DEFAULT_LIMITS)


@BOTH
@pytest.mark.parametrize("format_", ["EPS", "PPM", "PCX", "TGA", "ICO"])
def test_formats_that_are_not_allowed_are_not_even_tried(
    save: Save, photo: Pixels, read: Read, format_: str
) -> None:
    path = save(Image.fromarray(photo), "a.png", format=format_)
    with pytest.raises(JobFault, match="expected a picture"):
        read(path, "a.png", DEFAULT_LIMITS)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "gif"])
def test_a_file_cut_off_anywhere_is_refused_by_name(save: Save, photo: Pixels, suffix: str) -> None:
    content = save(Image.fromarray(photo), f"a.{suffix}").read_bytes()
    for share in (0.02, 0.3, 0.9):
        part = content[: int(len(content) * share)]
        with pytest.raises(JobFault, match=r"^a: found a damaged or cut off \w+ file: .*copy"):
            load_picture(io.BytesIO(part), "a")


@BOTH
def test_a_picture_of_900_megapixels_is_refused_on_its_header(
    one_color_png: Callable[[int, int], bytes], read: Read
) -> None:
    file = Counting(one_color_png(30_000, 30_000))
    with pytest.raises(
        JobFault, match=r"x\.png: found 30000 x 30000 pixels \(900\.0 megapixels\), .*100\.0"
    ):
        read(file, "x.png", DEFAULT_LIMITS)
    assert file.taken < 2048


@pytest.mark.parametrize("format_", ["JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_the_pixel_limit_holds_for_every_format(save: Save, photo: Pixels, format_: str) -> None:
    path = save(Image.fromarray(photo), "a", format=format_)
    assert load_picture(path, "a", ImageLimits(max_pixels=128 * 96)).width == 128
    with pytest.raises(JobFault, match="128 x 96 pixels"):
        load_picture(path, "a", ImageLimits(max_pixels=128 * 96 - 1))


def test_our_limit_may_lie_above_pillows_own(one_color_png: Callable[[int, int], bytes]) -> None:
    info = probe(
        io.BytesIO(one_color_png(20_000, 10_000)), "x.png", ImageLimits(max_pixels=200_000_000)
    )
    assert (info.width, info.height) == (20_000, 10_000)


@BOTH
def test_a_picture_longer_than_the_side_limit_is_refused(
    one_color_png: Callable[[int, int], bytes], read: Read
) -> None:
    with pytest.raises(JobFault, match="found 40000 x 1 pixels, expected at most 32767 pixels a"):
        read(io.BytesIO(one_color_png(40_000, 1)), "x.png", DEFAULT_LIMITS)


@BOTH
def test_a_file_of_too_many_bytes_is_not_read(read: Read) -> None:
    file = Counting(b"\x89PNG\r\n\x1a\n" + bytes(2_000_000))
    with pytest.raises(JobFault, match=r"found a file of 2\.0 MB, expected at most 1\.0 MB"):
        read(file, "x.png", ImageLimits(max_bytes=1_000_000))
    assert file.taken == 0


@BOTH
def test_a_missing_file_a_folder_and_a_fifo_are_refused_without_waiting(
    tmp_path: Path, read: Read
) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for name, found in [("fifo", "device"), ("folder", "folder"), ("missing", "no such file")]:
        with pytest.raises(JobFault, match=rf"{name}\.jpg: .*{found}"):
            read(tmp_path / f"{name}.jpg", f"{name}.jpg", DEFAULT_LIMITS)


def test_a_share_that_fails_while_a_picture_is_read_is_the_worlds_fault(
    save: Save, photo: Pixels
) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1000:
                raise OSError(errno.ESTALE, "Stale file handle")
            return super().read(size)

    content = save(Image.fromarray(photo), "a.png").read_bytes()
    with pytest.raises(WorldFault, match=r"a\.png: the disk or the share failed"):
        load_picture(Failing(content), "a.png")


def test_more_memory_than_there_is_is_said_in_words(save: Save, photo: Pixels) -> None:
    class Hungry(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1000:
                raise MemoryError
            return super().read(size)

    content = save(Image.fromarray(photo), "a.png").read_bytes()
    with pytest.raises(JobFault, match="takes more memory than there is"):
        load_picture(Hungry(content), "a.png")


def test_pillows_warnings_become_notes(save: Save, photo: Pixels) -> None:
    exif = Image.Exif()
    exif[0x010F] = "the name of a camera"
    # Cut off in the middle of the name.
    path = save(Image.fromarray(photo), "a.png", exif=exif.tobytes()[:-12])
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        picture = load_picture(path, "a.png")
    assert not leaked
    assert any(note.startswith("Pillow says: ") for note in picture.notes)


def test_threads_that_load_at_once_do_not_disturb_each_other(save: Save, photo: Pixels) -> None:
    good = save(Image.fromarray(photo), "a.png")
    bad = good.with_name("bad.png")
    bad.write_bytes(good.read_bytes()[:5000])
    filters = list(warnings.filters)
    results: list[str] = []

    def work(path: Path) -> None:
        for _ in range(10):
            try:
                loaded = load_picture(path, path.name)
                results.append("good" if (loaded.pixels == photo).all() else "wrong")
            except JobFault:
                results.append("refused")
            time.sleep(0)

    threads = [threading.Thread(target=work, args=(path,)) for path in (good, bad, good, bad)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["good"] * 20 + ["refused"] * 20
    assert list(warnings.filters) == filters
