"""Names of job folders: what a person wrote, made safe for every client of the share."""

from __future__ import annotations

import re
import unicodedata

#: Characters; with a number and a temporary prefix a name stays far below 255 bytes ...
MAX_CHARACTERS = 80
#: ... and bytes in UTF-8 count too: an emoji has four and more.
MAX_BYTES = 160

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.I)
_FORBIDDEN = frozenset('<>:"/\\|?*')


def safe_folder(name: str) -> str:
    """Return a folder name made from `name` that Linux, Windows and macOS all accept.

    It is NFC, at most MAX_CHARACTERS long, has no control or reserved characters, neither starts
    nor ends with a dot or space, and is no device name of Windows. It does not start with `-`,
    which would make an option of it in `atelierd show` and `rm`. An empty name becomes `job`.
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join("-" if _is_forbidden(character) else character for character in text)
    text = _shorten(" ".join(text.split()).lstrip("-. ~").rstrip(". ~"))
    if _RESERVED.fullmatch(text):
        text = f"_{text}"
    # Composing once more: cutting or replacing may have brought marks together.
    return unicodedata.normalize("NFC", text) or "job"


def numbered(base: str, number: int) -> str:
    """Return `base` itself for number 1, `base-2` for 2 and so on."""
    return base if number == 1 else f"{base}-{number}"


def folder_key(folder: str) -> str:
    """Return what two folder names share if some client of the share takes them for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", folder).casefold())


def _is_forbidden(character: str) -> bool:
    # Cc control, Cs lone surrogate, Cn unassigned, Co private use; Cf holds the direction marks
    # that make a name look like another, and the joiner without which an emoji falls apart.
    category = unicodedata.category(character)
    if category == "Cf":
        return character != "\u200d"
    return character in _FORBIDDEN or category in ("Cc", "Cs", "Cn", "Co")


def _shorten(text: str) -> str:
    text = text[:MAX_CHARACTERS]
    while len(text.encode()) > MAX_BYTES:
        text = text[:-1]
    # Not in the middle of a joined emoji, and no dot or space at the end that Windows drops.
    return text.rstrip("\u200d. ~")
