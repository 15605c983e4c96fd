"""Text from outside, made fit to stand in a message, a log line or a terminal."""

from __future__ import annotations

#: Characters of a foreign text that a message repeats.
LONGEST_SHOWN = 80
#: Characters of a path that it repeats.
LONGEST_PATH_SHOWN = 240


def shown(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Return `text` on one line: what has no shape of its own escaped, and cut short.

    So a file name can neither forge a line of the log nor steer a terminal, and a space that is
    no space can be seen.
    """
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in cut
    )


def shown_path(path: object) -> str:
    """Return a path as `shown` does; of one that is very long the end, which is what it names."""
    text = str(path)
    cut = text if len(text) <= LONGEST_PATH_SHOWN else f"…{text[1 - LONGEST_PATH_SHOWN :]}"
    return shown(cut, LONGEST_PATH_SHOWN)
