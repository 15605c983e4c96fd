"""A YAML parser's complaints, put as what to mend."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from atelierd.wording import shown


@dataclass(frozen=True)
class _Mend:
    """What to say when a parser's context and problem contain these words."""

    context: str
    problem: str
    words: str
    """`{found}` stands for the rest of the line where the problem is, in backticks."""
    at_start: bool = False
    """The place to look at is where the construct starts, not where the parser gave up."""


_QUOTE = "put the value in quotes"
_COLUMNS = "start all keys in the same column, and all `-` of one list"

#: libyaml's complaints; the first that fits is taken.
_MENDS = (
    _Mend("", "tab character", "found a tab; indent with spaces"),
    _Mend("", "cannot start any token", f"found {{found}} at the start of a value; {_QUOTE}"),
    _Mend(
        "an alias",
        "",
        f"found a value that starts with `*`; {_QUOTE}, as in '*.jpg'",
        at_start=True,
    ),
    _Mend("an anchor", "", f"found a value that starts with `&`; {_QUOTE}", at_start=True),
    _Mend("a tag", "", f"found a value that starts with `!`; {_QUOTE}", at_start=True),
    _Mend(
        "quoted scalar",
        "end of stream",
        "the quote that opens here is never closed",
        at_start=True,
    ),
    _Mend(
        "quoted scalar",
        "",
        "found a backslash inside double quotes, where it starts an escape; use single quotes, "
        "or / between the parts of a path",
    ),
    _Mend(
        "flow sequence",
        "expected ','",
        "the `[` that opens here is not closed, or a comma is missing",
        at_start=True,
    ),
    _Mend(
        "flow mapping",
        "expected ','",
        "the `{{` that opens here is not closed, or a comma is missing",
        at_start=True,
    ),
    _Mend(
        "flow node",
        "did not find expected",
        "found {found} where a value was expected: a `[` or `{{` is not closed, or there is a "
        "comma too many",
    ),
    _Mend(
        "",
        "mapping values are not allowed",
        "found a second `:` in one value, or a key that is indented deeper than the one above; "
        f"{_QUOTE}, or start all keys in the same column",
    ),
    _Mend(
        "",
        "could not find expected ':'",
        "found {found} without a colon; expected `key: value`",
        at_start=True,
    ),
    _Mend(
        "",
        "did not find expected",
        f"found {{found}} in another column than the lines it belongs to; {_COLUMNS}",
    ),
)


def syntax_problem(error: yaml.YAMLError, text: str) -> tuple[str, int]:
    """Return a sentence with the line, and the index in `text` where the parser stopped."""
    if isinstance(error, yaml.reader.ReaderError):
        index = int(error.position)
        line = text.count("\n", 0, index) + 1
        return f"line {line}, found a control character; expected text, saved as UTF-8", index
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return shown(str(error)), 0
    context, problem = error.context or "", error.problem or ""
    stopped = error.problem_mark
    at = text[stopped.index : stopped.index + 1]
    if at == "\t":
        problem = "tab character"
    elif at in {"]", "}"} and "flow" not in context:
        return (
            f"line {stopped.line + 1}, found a `{at}` that nothing opens; {_QUOTE}",
            stopped.index,
        )
    for mend in _MENDS:
        if mend.context in context and mend.problem in problem:
            place = (error.context_mark or stopped) if mend.at_start else stopped
            line, found = place.line + 1, "the end of the file"
            if text[place.index :].strip():
                found = f"`{shown(text[place.index :].splitlines()[0].strip(), 40)}`"
            else:  # the parser counts a line that is not there
                line = text.rstrip().count("\n") + 1
            return f"line {line}, {mend.words.format(found=found)}", stopped.index
    return f"line {stopped.line + 1}, {shown(problem)}", stopped.index
