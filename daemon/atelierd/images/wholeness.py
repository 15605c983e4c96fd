"""Whether a picture file breaks off before its end, judged by how its format says where that is.

A copy that stalls or was broken off looks like a file that is done: its size and time stay as they
are. The picture inside tells more, without being decoded. Only a sure sign counts: what cannot be
judged, or has bytes after its end, does not break off.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from atelierd.images.picture import DEFAULT_LIMITS

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_SCAN = 0xDA
_PIECE = 1 << 20
#: Chunks of a PNG file, segments of a JPEG file: more are not counted.
_MOST_PARTS = 200_000


def breaks_off(file: BinaryIO) -> bool:
    """Whether `file`, open for reading and seekable, ends before its picture does.

    PNG, JPEG, WebP and BMP are known; of other files nothing is claimed. Raises OSError.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16)
    if size > DEFAULT_LIMITS.max_bytes:
        # It is refused anyway, without being read.
        return False
    for at, signature, judge in _KINDS:
        if head[at : at + len(signature)] == signature:
            return judge(file, head, size)
    return False


def _png(file: BinaryIO, _head: bytes, size: int) -> bool:
    if _ends_with(file, size, _PNG_END):
        return False
    position = 8
    for _ in range(_MOST_PARTS):
        if position + 12 > size:
            return True
        file.seek(position)
        header = file.read(8)
        if header[4:] == b"IEND":
            return False
        if not header[4:].isalpha():
            # Nothing has been written here yet, or the file is damaged.
            return header[-1] == 0
        position += 12 + int.from_bytes(header[:4], "big")
    return False


def _jpeg(file: BinaryIO, _head: bytes, size: int) -> bool:
    if _ends_with(file, size, _JPEG_END):
        return False
    position = 2
    for _ in range(_MOST_PARTS):
        if position + 4 > size:
            return True
        file.seek(position)
        marker = file.read(4)
        if marker[0] != 0xFF:
            return not any(marker)
        if marker[1] == 0xFF:
            position += 1
            continue
        position += 2 + int.from_bytes(marker[2:], "big")
        if marker[1] == _SCAN:
            return not _found_from(file, position, _JPEG_END)
    return False


def _webp(_file: BinaryIO, head: bytes, size: int) -> bool:
    return int.from_bytes(head[4:8], "little") + 8 > size


def _bmp(_file: BinaryIO, head: bytes, size: int) -> bool:
    return int.from_bytes(head[2:6], "little") > size


def _ends_with(file: BinaryIO, size: int, end: bytes) -> bool:
    file.seek(max(0, size - len(end)))
    return file.read(len(end)) == end


def _found_from(file: BinaryIO, position: int, wanted: bytes) -> bool:
    file.seek(position)
    before = b""
    while piece := file.read(_PIECE):
        if wanted in before + piece:
            return True
        before = piece[1 - len(wanted) :]
    return False


_KINDS: tuple[tuple[int, bytes, Callable[[BinaryIO, bytes, int], bool]], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", _png),
    (0, b"\xff\xd8\xff", _jpeg),
    (8, b"WEBP", _webp),
    (0, b"BM", _bmp),
)
