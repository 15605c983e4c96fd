"""Writing to terminals and pipes: text from outside stays text, and is never cut in a pipe."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from atelierd.wording import shown

#: Columns of a line that goes into a file or a pipe.
PIPE_WIDTH = 200

#: What not every terminal takes for the same character.
_FOREIGN = re.compile(r"[^\n -~]")


def stdout() -> Console:
    """Return a console for what a command was asked for."""
    return _console(stderr=False)


def stderr() -> Console:
    """Return a console for what is said meanwhile."""
    return _console(stderr=True)


def is_live(console: Console) -> bool:
    """Whether a display that redraws itself can be shown there."""
    return console.is_terminal and not console.is_dumb_terminal


def plain(text: str, longest: int = 200, style: str = "") -> Text:
    """Return text from outside as it is, with nothing in it that steers a terminal."""
    return Text(shown(text, longest), style=style)


def say(console: Console, text: str | Text, style: str = "") -> None:
    """Write a line as it is, wrapped by the terminal alone."""
    console.print(text, style=style, soft_wrap=True, markup=False, highlight=False)


def say_json(value: Any, indent: int | None = 2) -> None:
    """Write `value` as JSON to standard output; without `indent` on one line.

    What the output cannot write is escaped as JSON has it, and so is what steers a terminal.
    """
    console = stdout()

    def escaped(found: re.Match[str]) -> str:
        character = found[0]
        if character.isprintable() and _is_written(character, console.encoding):
            return character
        units = character.encode("utf-16-be", "surrogatepass").hex()
        return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))

    say(console, _FOREIGN.sub(escaped, json.dumps(value, indent=indent, ensure_ascii=False)))


def _is_written(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def grid(*headings: str) -> Table:
    """Return an empty table without lines; its columns wrap and are never cut."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=any(headings))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def say_table(console: Console, table: Table) -> None:
    """Write a table; in a pipe, no line of it ends in blanks."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        say(console, line.rstrip())


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console
