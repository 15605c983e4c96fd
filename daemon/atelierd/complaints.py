"""A model's refusal of a document as lines that a person can act on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from atelierd.expectations import Schema, choices, in_words, plain_schema, schemas_at
from atelierd.wording import shown

Place = tuple[str | int, ...]

#: Problems that are told of one file.
MOST_TOLD = 20


def complaints(
    error: ValidationError,
    model: type[BaseModel],
    value: Any,
    position: Callable[[Place], tuple[int, int]],
) -> list[str]:
    """Return one line for each place of `value` that `model` refused, in the order of the file.

    A line reads `line 4, size: found -5; expected ...`. `position` gives line and column of a
    place.
    """
    schema = plain_schema(model)
    problems: dict[Place, list[Any]] = {}
    for problem in error.errors(include_url=False):
        place = _place(value, problem["loc"])
        if problem["type"] == "missing":
            place = (*place, str(problem["loc"][-1]))
        problems.setdefault(place, []).append(problem)
    # Where a value may be one of several things, pydantic reports why it is none of them; the
    # deepest report is of the one that was meant.
    outer = {place[:depth] for place in problems for depth in range(len(place))}
    missing = {place for place, found in problems.items() if found[0]["type"] == "missing"}
    places = sorted(problems.keys() - outer, key=lambda place: (place in missing, position(place)))
    untold = len(places) - MOST_TOLD
    places = places[:MOST_TOLD]
    # A required key that was misspelt is told once, where it stands.
    misspelt = {
        (*place[:-1], _meant(schema, place))
        for place in places
        if problems[place][0]["type"] == "extra_forbidden"
    }
    lines = []
    for place in places:
        if place in missing & misspelt:
            continue
        words = _words(schema, place, value, problems[place])
        where = f"line {position(place)[0]}, " if place not in missing or len(place) > 1 else ""
        lines.append(f"{where}{label(place)}: {words}" if place else f"{where}{words}")
    return [*lines, f"and {untold:,} more problems"] if untold > 0 else lines


def label(place: Place) -> str:
    """Return how a place is called: `style > item 2 > wave.jpg`."""
    return " > ".join(
        f"item {part + 1}" if isinstance(part, int) else shown(part) for part in place
    )


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Return the one of `known` that `word` is likely a typo of, None if there is none."""
    plain = word.strip().casefold().replace("-", "_").replace(" ", "_")
    close = difflib.get_close_matches(plain[:100], known, n=1, cutoff=0.75)
    return close[0] if close else None


def _place(value: Any, location: Sequence[str | int]) -> Place:
    """Return the part of pydantic's location that exists in the document.

    The rest are the names of a union's members.
    """
    place: list[str | int] = []
    for part in location:
        in_mapping = isinstance(value, dict) and part in value
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if in_mapping or in_list:
            value = value[part]
            place.append(part)
    return tuple(place)


def _words(schema: Schema, place: Place, value: Any, problems: list[Any]) -> str:
    kinds = {problem["type"] for problem in problems}
    if "extra_forbidden" in kinds:
        wanted = _meant(schema, place)
        known = ", ".join(_known(schema, place))
        return f"unknown key; {f'did you mean {wanted}?' if wanted else f'known are {known}'}"
    expected = schemas_at(schema, place)
    if "missing" in kinds:
        return f"missing; expected {in_words(expected)}"
    for problem in problems:
        if problem["type"] == "value_error":
            return str(problem["ctx"]["error"])
    for part in place:
        value = value[part]
    for problem in problems:
        if problem["type"] in {"too_short", "too_long"} and not isinstance(value, str):
            bounds = problem["ctx"]
            least, most = bounds.get("min_length"), bounds.get("max_length")
            bound = f"at least {least}" if most is None else f"at most {most:,}"
            return f"found {_found(value)}; expected {bound}"
    return f"found {_found(value)}; expected {in_words(expected)}{_hint(value, expected)}"


def _hint(value: Any, expected: list[Schema]) -> str:
    listed = choices(expected)
    types = {schema.get("type") for schema in expected}
    takes_numbers = bool(types & {"integer", "number"})
    if isinstance(value, str):
        wanted = nearest(value, listed)
        # Without quotes, it would have been read as the number that it looks like.
        quoted = takes_numbers and re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", value.strip())
        return f"; did you mean {wanted}?" if wanted else "; take the quotes away" if quoted else ""
    is_text = "string" in types and not listed and not takes_numbers
    # A file or a job whose name is a number, or `true`.
    return "; put it in quotes" if is_text and isinstance(value, int | float) else ""


def _known(schema: Schema, place: Place) -> list[str]:
    """Return the keys there are where the unknown key at `place` stands."""
    around = schemas_at(schema, place[:-1])
    return [key for alternative in around for key in alternative.get("properties", {})]


def _meant(schema: Schema, place: Place) -> str | None:
    return nearest(str(place[-1]), _known(schema, place))


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{shown(value, 60)}'"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"the keys {shown(', '.join(value), 60)}" if value else "an empty mapping"
    return str(value)
