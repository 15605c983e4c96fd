import codecs
from itertools import pairwise
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from atelierd.yamldoc import Limits, YamlError, looks_cut_off, parse, validate


class Room(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    width: int = Field(ge=1, le=9)
    color: str = Field(default="white", max_length=8)


class House(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    rooms: list[Room] = Field(default=[], max_length=2)
    roof_weight: float = 1.0


def value(text: str) -> Any:
    return parse(text.encode(), "a.yaml").value


def problem(data: bytes | str, limits: Limits | None = None) -> str:
    with pytest.raises(YamlError) as caught:
        parse(data.encode() if isinstance(data, str) else data, "a.yaml", limits or Limits())
    return str(caught.value)


def refusal(text: str, model: type[BaseModel] = House) -> list[str]:
    with pytest.raises(YamlError) as caught:
        validate(parse(text.encode(), "a.yaml"), model)
    return [line.removeprefix("a.yaml: ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_encoding_and_line_end_gives_the_same_document(
    mark: bytes, encoding: str, newline: str
) -> None:
    data = mark + f"a: Grün{newline}b: [1, x]{newline}".encode(encoding)
    document = parse(data, "a.yaml")
    assert document.value == {"a": "Grün", "b": [1, "x"]}
    assert document.position(("b", 1)) == (2, 8)


@pytest.mark.parametrize("text", ["no", "On", "22:00", "2024-01-01", "1_000", "0x1f", "=", "<<"])
def test_words_that_older_yaml_converts_stay_text(text: str) -> None:
    assert value(f"a: {text}") == {"a": text}


def test_numbers_constants_and_quoted_text_are_told_apart() -> None:
    assert value("[1, -2, 1e-3, .5, 5., true, ~, '1', \"true\", .inf, 007]") == [
        *(1, -2, 0.001, 0.5, 5.0, True, None, "1", "true", float("inf"), 7)
    ]


def test_a_number_of_a_million_digits_stays_text() -> None:
    assert value("a: " + "9" * 1_000_000) == {"a": "9" * 1_000_000}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert value("1: a\ntrue: b\nnull: c") == {"1": "a", "true": "b", "null": "c"}


def test_positions_of_keys_and_items_count_from_one() -> None:
    document = parse(b"a: 1\nb:\n  - x\n  - {c: 2}\n", "a.yaml")
    assert document.position(("b",)) == (2, 1)
    assert document.position(("b", 0)) == (3, 5)
    assert document.position(("b", 1, "c")) == (4, 6)
    assert document.position(("b", 1, "gone", 7)) == (4, 5)


def test_an_empty_file_is_a_document_of_none() -> None:
    assert parse(b"", "a.yaml").value is None
    assert parse(b"# nothing yet\n", "a.yaml").value is None


def test_fifty_megabytes_are_refused_by_their_size() -> None:
    assert problem(b"a: b\n" * 10_000_000) == (
        "a.yaml: the file has 50,000,000 bytes; expected at most 1,048,576"
    )


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "a: ["])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert "more than 16 lists and mappings inside each other" in problem(opening * 100_000)


def test_too_many_nodes_are_refused() -> None:
    assert problem("- a\n" * 30, Limits(nodes=20)) == (
        "a.yaml: line 20, more than 20 keys and values"
    )


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcd"))
    assert problem(bomb).startswith("a.yaml: line 1, `&a` is an anchor, which is not allowed")


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [ls]", "!!python/name:os.system", "!x y", "! y"]
)
def test_tags_are_refused(text: str) -> None:
    assert "is a tag, which is not allowed" in problem(f"a: {text}\n")


def test_binary_data_is_refused_in_words() -> None:
    assert problem(b"a: b\nc: \xe9t\xe9") == (
        "a.yaml: line 2, byte 0xe9 is no UTF-8 text; save the file as UTF-8"
    )
    assert problem(b"a: b\n\0\1\2") == (
        "a.yaml: line 2, found a NUL character; expected text, saved as UTF-8"
    )
    assert problem(b"a: b\n\x01") == (
        "a.yaml: line 2, found a control character; expected text, saved as UTF-8"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, a: given twice, first on line 1; keep one"),
        ("a: 1\n---\na: 2", "line 2, a second document starts here"),
        ("? [a]\n: b", "line 1, found a list or mapping as a key"),
        ("a:\n\tb: 1", "line 2, found a tab; indent with spaces"),
        ("a: 1\n\tb: 1", "line 2, found a tab; indent with spaces"),
        ("a: *.jpg", "line 1, found a value that starts with `*`; put the value in quotes"),
        ("a: *b", "line 1, `*b` is an alias, which is not allowed"),
        ("a: @b", "line 1, found `@b` at the start of a value; put the value in quotes"),
        ('a: "photos\\cat.jpg"', "line 1, found a backslash inside double quotes"),
        ('a: 1\nb: "x\nc: 2', "line 2, the quote that opens here is never closed"),
        ("a: [b, c\nd: 1", "line 1, the `[` that opens here is not closed"),
        ("a: {b: c\n", "line 1, the `{` that opens here is not closed"),
        ("a: 1\nb: [c,\n", "line 2, found the end of the file where a value was expected: a `["),
        ("a: {b: c, ]", "line 1, found `]` where a value was expected"),
        ("a: 1\nb: [c]]", "line 2, found a `]` that nothing opens; put the value in quotes"),
        ("a: b: c", "line 1, found a second `:` in one value"),
        ("a: 1\nb 2\nc: 3", "line 2, found `b 2` without a colon; expected `key: value`"),
        ("- a\nb: 1", "line 2, found `b: 1` in another column"),
    ],
)
def test_a_syntax_error_says_what_to_mend(text: str, words: str) -> None:
    assert problem(text).startswith(f"a.yaml: {words}")


def test_a_hostile_file_name_cannot_forge_a_line() -> None:
    with pytest.raises(YamlError, match="a\\\\nb: line 1"):
        parse(b"a: &a b", "a\nb")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"  \n", b"cont", b"content: a\nsty", b"content: a\nstyle:", b"a: [b,", b"a: 'b"),
        *(b"a: b\n\0\0\0\0", b"a: gr\xc3", b"\xff\xfea\0:\0 \0b"),
    ],
)
def test_a_file_that_breaks_off_looks_cut_off(data: bytes) -> None:
    assert looks_cut_off(data)


@pytest.mark.parametrize(
    "data", [b"a: b", b"a: b\n", b"a: [b, @]\nc: d\n", b"- a\n", b"a: \0b\n", b"a: \xe9t\xe9\n"]
)
def test_a_whole_file_does_not_look_cut_off_even_when_it_is_wrong(data: bytes) -> None:
    assert not looks_cut_off(data)


def test_a_valid_document_becomes_the_model() -> None:
    document = parse(b"rooms: [{width: 3}]\nroof_weight: 2", "a.yaml")
    assert validate(document, House) == House(rooms=[Room(width=3)], roof_weight=2)


def test_every_problem_is_told_with_its_line_in_the_order_of_the_file() -> None:
    assert refusal("roof_wieght: 1\nrooms:\n  - width: 12\n  - width: x\n    colour: red\n") == [
        "line 1, roof_wieght: unknown key; did you mean roof_weight?",
        "line 3, rooms > item 1 > width: found 12; expected a whole number from 1 to 9",
        "line 4, rooms > item 2 > width: found 'x'; expected a whole number from 1 to 9",
        "line 5, rooms > item 2 > colour: unknown key; did you mean color?",
    ]


def test_a_missing_key_is_told_where_its_neighbors_stand() -> None:
    assert refusal("rooms:\n  - color: red\n") == [
        "line 2, rooms > item 1 > width: missing; expected a whole number from 1 to 9"
    ]
    assert refusal("color: red\n", Room) == ["width: missing; expected a whole number from 1 to 9"]


def test_a_required_key_that_is_misspelt_is_told_once() -> None:
    assert refusal("widht: 3\n", Room) == ["line 1, widht: unknown key; did you mean width?"]


def test_an_unknown_key_like_no_other_is_answered_with_the_known_ones() -> None:
    assert refusal("width: 3\nzzz: 3\n", Room) == [
        "line 2, zzz: unknown key; known are width, color"
    ]


def test_lengths_and_types_are_told_in_words() -> None:
    assert refusal("rooms: [{width: 1}, {width: 1}, {width: 1}]") == [
        "line 1, rooms: found a list of 3; expected at most 2"
    ]
    assert refusal("width: true\ncolor: 7") == [
        "line 1, width: unknown key; known are rooms, roof_weight",
        "line 2, color: unknown key; known are rooms, roof_weight",
    ]
    assert refusal("width: true\ncolor: 7", Room) == [
        "line 1, width: found true; expected a whole number from 1 to 9",
        "line 2, color: found 7; expected text of at most 8 characters; put it in quotes",
    ]


def test_thousands_of_problems_are_told_in_twenty_lines() -> None:
    lines = refusal("".join(f"k{i}: 1\n" for i in range(9_000)))
    assert len(lines) == 21
    assert lines[-1] == "and 8,980 more problems"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "the file is empty"),
        ("- a", "found no keys"),
        ("a", "found no keys"),
        ("width:3\nrooms:1", "found no keys; a key ends with a colon and a space"),
    ],
)
def test_a_file_without_keys_is_told_what_it_needs(text: str, found: str) -> None:
    assert refusal(text, Room) == [f"{found}; expected at least `width: ...`, one on each line"]
