"""Saying in words what a file is that was meant to be a picture."""

from __future__ import annotations

#: Bytes from the start of a file that are enough to tell what it is.
HEAD_BYTES = 512

#: Beginnings of the formats that are opened: whoever has one of these and fails is damaged.
_ALLOWED: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
)
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIC or AVIF picture"),
    (4, b"ftyp", "a video"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"version https://git-lfs", "a Git LFS pointer without the file itself"),
)


def allowed_format(head: bytes) -> str | None:
    """Return the format that a file begins like, if it is one of those that are opened."""
    return _match(head, _ALLOWED)


def what_is(head: bytes) -> str:
    """Return words such as `a PDF document` for the first `HEAD_BYTES` bytes of a file."""
    if not head.strip(b"\0"):
        return "nothing but zero bytes (a copy that never finished?)"
    known = _match(head, _OTHERS)
    if known is not None:
        return known
    text = _as_text(head)
    if text is None:
        return f"unknown data that begins with the bytes {head[:8].hex(' ')}"
    beginning = text.lstrip("\ufeff \t\r\n").lower()
    if "<svg" in beginning:
        return "an SVG drawing"
    if beginning.startswith(("<!doctype html", "<html")):
        return "an HTML page (a download that went wrong?)"
    excerpt = " ".join(text.split())
    return f"text that begins with {excerpt[:40]!r}"


def _match(head: bytes, signatures: tuple[tuple[int, bytes, str], ...]) -> str | None:
    for offset, signature, words in signatures:
        if head[offset : offset + len(signature)] == signature:
            return words
    return None


def _as_text(head: bytes) -> str | None:
    """Return the bytes as text if they are some; a character cut off at the end does not matter."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return None
        text = head[: error.start].decode(encoding, errors="ignore")
    printable = all(character.isprintable() or character in "\t\r\n\f" for character in text)
    return text if printable else None
