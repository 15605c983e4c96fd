"""Damage done to real files, as disks, bad copies and ill will do it."""

from __future__ import annotations

import random
from collections.abc import Sequence

#: What means something to parsers of YAML, paths and pictures, thrown in anywhere.
TOKENS: Sequence[bytes] = (
    *(b"\0", b"\t", b"\r\n", b"\xff\xfe", b"\xef\xbb\xbf", b"&a ", b"*a", b"!!python/object:os "),
    *(b"---\n", b"...\n", b": ", b"- ", b"[", b"]", b"{", b"}", b'"', b"'", b"|\n", b">\n", b"? "),
    *(b"<<: ", b"%YAML 9.9\n", b"\\", b"../", b"/etc/passwd", b"..\\..\\", b"C:\\", b"//host/x"),
    *(b"-1", b".nan", b"1e999", b"9" * 400, b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\x1b[31m", b"%s{}"),
    *(b"**/*", b"[!", b"{a: ", b"~", b"null", b"0x7fffffff", b"\xff\xff\xff\xff", b"\x00\x00\x00"),
)


def mutate(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return `data` after some damage; `others` are files of which pieces get in."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
        data = _damage(data, others, chance)
    return data[: 1 << 20]


def _damage(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    end = min(len(data), start + chance.choice((1, 1, 2, 4, 16, 64, 1000)))
    before, piece, after = data[:start], data[start:end], data[end:]
    kind = chance.randrange(9)
    if kind == 0:
        return before
    if kind == 1:
        return before + after
    if kind == 2:
        return before + piece * chance.choice((2, 3, 50)) + after
    if kind == 3:
        return before + chance.randbytes(len(piece)) + after
    if kind in (4, 5):
        return before + chance.choice(TOKENS) + (piece if kind == 4 else b"") + after
    if kind == 6:
        other = chance.choice(others)
        cut = chance.randint(0, len(other))
        return before + other[cut : cut + 200] + after
    flipped = bytearray(data)
    if flipped:
        # Mostly near the beginning, where headers are.
        place = min(int(chance.expovariate(8 / len(flipped))), len(flipped) - 1)
        flipped[place] ^= 1 << chance.randrange(8)
    return bytes(flipped)
