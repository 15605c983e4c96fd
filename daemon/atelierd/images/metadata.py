"""Words that travel inside a picture: how it was made, for people and for a later reading back.

PNG holds one text chunk a key. JPEG, TIFF and WebP hold all keys as JSON in one property of an XMP
packet; the keys `Software` and `Description` are in their EXIF (in TIFF: ordinary) tags as well,
where other programs look, there in ASCII only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape, unescape

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from atelierd.images.opening import opened
from atelierd.images.picture import DEFAULT_LIMITS

#: Keys that have a place of their own in EXIF and TIFF.
_EXIF_TAGS = {
    "Software": ExifTags.Base.Software,
    "Description": ExifTags.Base.ImageDescription,
}
#: What PNG allows as a keyword: printable ASCII (of Latin-1, for simplicity), no outer blanks.
_KEY = re.compile(r"[!-~]([ -~]{0,77}[!-~])?")
#: A JPEG segment holds 65,533 bytes, of which the packet's name and frame take some.
MAX_JSON_BYTES = 60_000

_XMP_PROPERTY = re.compile(rb"<atelierd:metadata>(.*?)</atelierd:metadata>", re.DOTALL)
_XMP_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:atelierd="urn:atelierd:metadata:">
<atelierd:metadata>{}</atelierd:metadata>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def check(metadata: Mapping[str, str]) -> None:
    """Raise ValueError unless every format can hold `metadata`.

    Keys are 1 to 79 printable ASCII characters without outer blanks, values any Unicode text; all
    of it is at most `MAX_JSON_BYTES` as JSON.
    """
    for key, value in metadata.items():
        if not _KEY.fullmatch(key):
            raise ValueError(f"metadata key {key!r}: expected 1 to 79 printable ASCII characters")
        value.encode()
    if len(escape(json.dumps(dict(metadata)))) > MAX_JSON_BYTES:
        raise ValueError(f"metadata: expected at most {MAX_JSON_BYTES} bytes as JSON")


def as_png(metadata: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    """Return the text chunks of a PNG."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in metadata.items():
        chunks.add_itxt(key, value)
    return chunks


def as_xmp(metadata: Mapping[str, str]) -> bytes:
    """Return an XMP packet in UTF-8."""
    return _XMP_PACKET.format(escape(json.dumps(dict(metadata)))).encode()


def as_exif(metadata: Mapping[str, str]) -> Image.Exif:
    """Return EXIF data of those keys that have a place in it."""
    exif = Image.Exif()
    for key, tag in _EXIF_TAGS.items():
        if key in metadata:
            exif[tag] = metadata[key]
    return exif


def as_tiff(metadata: Mapping[str, str]) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Return the tags of a TIFF."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for key, tag in _EXIF_TAGS.items():
        if key in metadata:
            tags[tag] = metadata[key]
    tags.tagtype[ExifTags.Base.XMLPacket] = 1
    tags[ExifTags.Base.XMLPacket] = as_xmp(metadata)
    return tags


def read_metadata(path: Path) -> Mapping[str, str]:
    """Return the metadata that `encode` wrote into the picture at `path`, of whichever format.

    Empty if the picture holds none; of a PNG, text that other programs wrote is returned, too.
    Raises JobFault if `path` is no sound picture, WorldFault if the disk or the share fails.
    """
    with opened(path, path.name, DEFAULT_LIMITS) as source:
        image = source.image
        if isinstance(image, PngImagePlugin.PngImageFile):
            return {key: str(value) for key, value in image.text.items()}
        xmp = image.info.get("xmp", b"")
        found = _XMP_PROPERTY.search(xmp if isinstance(xmp, bytes) else b"")
        return {} if found is None else _parsed(found[1])


def _parsed(text: bytes) -> dict[str, str]:
    values = json.loads(unescape(text.decode()))
    if not isinstance(values, dict):
        raise ValueError("its atelierd:metadata is no JSON object")
    return {str(key): str(value) for key, value in values.items()}
