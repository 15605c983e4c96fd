"""YAML from strangers: plain data with line numbers, or an error in words.

A file comes off a share, written by any editor on any system, perhaps with ill will. PyYAML's
parser (libyaml where there is one) turns it into events; size, depth and count are checked on
those, before any object is built. Aliases, anchors and tags are refused outright: no job needs
them, and with them go alias bombs and constructed Python objects. Plain scalars mean what the core
schema of YAML 1.2 says, so that a style named `no`, a window of `22:00` or a file named
`2024-01-01` stay text, and `1e-3` is a number.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from atelierd.complaints import complaints
from atelierd.errors import AtelierError
from atelierd.wording import shown, shown_path
from atelierd.yamlwords import syntax_problem

M = TypeVar("M", bound=BaseModel)

#: Where a value stands in a document: keys, and positions in lists from 0.
Place = tuple[str | int, ...]

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
}
#: Longer runs of digits stay text: Python refuses to convert thousands, and no key takes them.
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,4})?")


class YamlError(AtelierError):
    """A YAML file that cannot be used; one line for each problem, each with the file's name."""

    def __init__(self, name: str, problems: list[str], *, cut_off: bool = False) -> None:
        """`cut_off` says that the file breaks off, as one does that is still being written."""
        super().__init__("\n".join(f"{shown_path(name)}: {problem}" for problem in problems))
        self.cut_off = cut_off


@dataclass(frozen=True)
class Limits:
    """What a file may hold at most."""

    bytes: int = 1 << 20
    """Size of the file."""
    depth: int = 16
    """Lists and mappings inside each other."""
    nodes: int = 50_000
    """Keys and values together."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Document:
    """The plain data of a YAML file, and where each piece of it stands."""

    name: str
    value: Any
    """None, bool, int, float, str, and lists and dicts (with str keys) of these."""
    positions: dict[Place, tuple[int, int]] = field(repr=False)

    def position(self, place: Place) -> tuple[int, int]:
        """Return line and column, from 1, of a key or a list's item, or of what it stands in."""
        while place and place not in self.positions:
            place = place[:-1]
        return self.positions.get(place, (1, 1))


def parse(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Return the one YAML document in `data`; `name` is the file's, for messages.

    UTF-8 with or without a byte order mark, UTF-16 with one, any line ends. An empty file is a
    document whose value is None. Raises YamlError.
    """
    text = _decode(data, name, limits)
    builder = _Builder(name, limits)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        problem, index = syntax_problem(error, text)
        cut_off = index >= len(text.rstrip("\0 \t\r\n"))
        raise YamlError(name, [problem], cut_off=cut_off) from error
    return Document(name, builder.value, builder.positions)


def validate(document: Document, model: type[M]) -> M:
    """Return the document as a `model`.

    Raises YamlError with a line for each problem: where it stands, what was found, what was
    expected, and the nearest key for an unknown one.
    """
    if not isinstance(document.value, dict):
        found = "the file is empty" if document.value is None else "found no keys"
        if isinstance(document.value, str) and re.search(r"\w:\S", document.value):
            found += "; a key ends with a colon and a space"
        required = [key for key, info in model.model_fields.items() if info.is_required()]
        least = ", ".join(f"`{key}: ...`" for key in required) or "`key: value`"
        raise YamlError(
            document.name,
            [f"{found}; expected at least {least}, one on each line"],
            cut_off=not isinstance(document.value, list),
        )
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        lines = complaints(error, model, document.value, document.position)
        raise YamlError(document.name, lines) from error


def looks_cut_off(data: bytes) -> bool:
    """Whether `data` is empty or breaks off, as a file does that is still being written.

    A file cut between two lines cannot be told from a whole one.
    """
    try:
        value = parse(data, "").value
    except YamlError as error:
        return error.cut_off
    if isinstance(value, dict) and value:
        return list(value.values())[-1] is None
    return not isinstance(value, list)


def _decode(data: bytes, name: str, limits: Limits) -> str:
    if len(data) > limits.bytes:
        raise YamlError(
            name, [f"the file has {len(data):,} bytes; expected at most {limits.bytes:,}"]
        )
    encoding = "utf-8"
    for mark, marked in _MARKS.items():
        if data.startswith(mark):
            encoding, data = marked, data[len(mark) :]
            break
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(encoding, "ignore").count("\n") + 1
        problem = (
            f"line {line}, byte 0x{data[error.start]:02x} is no {encoding[:6].upper()} text; "
            "save the file as UTF-8"
        )
        broken_end = error.reason in {"unexpected end of data", "truncated data"}
        raise YamlError(name, [problem], cut_off=broken_end) from error
    if "\0" in text:
        # A client that reserves a file's space before it writes leaves a tail of NULs.
        line = text.count("\n", 0, text.index("\0")) + 1
        raise YamlError(
            name,
            [f"line {line}, found a NUL character; expected text, saved as UTF-8"],
            cut_off="\0" not in text.rstrip("\0"),
        )
    return text


def _scalar(text: str) -> Any:
    """Return what a plain scalar stands for under the core schema of YAML 1.2."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    items: list[Any] | dict[str, Any]
    place: Place
    key: str | None = None


class _Builder:
    """Builds plain data from events and stops at the first that is not allowed."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.value: Any = None
        self.positions: dict[Place, tuple[int, int]] = {}
        self._name = name
        self._limits = limits
        self._open: list[_Open] = []
        self._documents = 0
        self._nodes = 0

    def take(self, event: Any) -> None:
        """Add what `event` brings. Raises YamlError."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._refuse(event, "a second document starts here; put each into its own file")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._check(event)
            if isinstance(event, yaml.ScalarEvent):
                self._take_scalar(event)
            else:
                items: list[Any] | dict[str, Any] = (
                    [] if isinstance(event, yaml.SequenceStartEvent) else {}
                )
                place = self._put(event, items)
                self._open.append(_Open(items, place))

    def _check(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            self._refuse(event, f"more than {self._limits.nodes:,} keys and values")
        if isinstance(event, yaml.AliasEvent):
            self._refuse(
                event,
                f"`*{shown(str(event.anchor))}` is an alias, which is not allowed; "
                "put a value that starts with * in quotes",
            )
        if event.anchor is not None:
            self._refuse(
                event,
                f"`&{shown(str(event.anchor))}` is an anchor, which is not allowed; "
                "put a value that starts with & in quotes",
            )
        if event.tag is not None:
            self._refuse(
                event,
                f"`{shown(event.tag)}` is a tag, which is not allowed; "
                "put a value that starts with ! in quotes",
            )
        deepest = self._limits.depth
        if isinstance(event, yaml.CollectionStartEvent) and len(self._open) >= deepest:
            self._refuse(event, f"more than {deepest} lists and mappings inside each other")

    def _take_scalar(self, event: Any) -> None:
        parent = self._open[-1] if self._open else None
        if parent and isinstance(parent.items, dict) and parent.key is None:
            self._take_key(event, parent, parent.items)
        else:
            self._put(event, _scalar(event.value) if event.implicit[0] else event.value)

    def _take_key(self, event: Any, parent: _Open, items: dict[str, Any]) -> None:
        key: str = event.value
        place = (*parent.place, key)
        if place in self.positions:
            line, _ = self.positions[place]
            self._refuse(event, f"{shown(key)}: given twice, first on line {line}; keep one")
        self.positions[place] = (event.start_mark.line + 1, event.start_mark.column + 1)
        parent.key = key
        items[key] = None

    def _put(self, event: Any, value: Any) -> Place:
        """Add `value` where the document is being read, and return its place."""
        position = (event.start_mark.line + 1, event.start_mark.column + 1)
        if not self._open:
            self.value = value
            self.positions[()] = position
            return ()
        parent = self._open[-1]
        if isinstance(parent.items, list):
            place: Place = (*parent.place, len(parent.items))
            parent.items.append(value)
            self.positions[place] = position
            return place
        if parent.key is None:
            self._refuse(event, "found a list or mapping as a key; expected a word")
        place = (*parent.place, parent.key)
        parent.items[parent.key] = value
        parent.key = None
        return place

    def _refuse(self, event: Any, problem: str) -> NoReturn:
        line = event.start_mark.line + 1
        raise YamlError(self._name, [f"line {line}, {problem}"])
