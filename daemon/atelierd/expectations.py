"""What a model's keys may hold, in words, read from its JSON schema: one source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]


class _Plain(GenerateJsonSchema):
    """JSON schema as a person would write it: no made-up titles, no null for "left out"."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def plain_schema(model: type[BaseModel]) -> Schema:
    """Return the JSON schema of `model`, required keys first.

    A key that may be left out has neither a null nor a default.
    """
    schema = model.model_json_schema(schema_generator=_Plain)
    properties = schema.get("properties", {})
    ordered = dict.fromkeys([*schema.get("required", []), *properties])
    return {**schema, "properties": {key: properties[key] for key in ordered}}


def schemas_at(schema: Schema, place: tuple[str | int, ...]) -> list[Schema]:
    """Return the alternatives that `schema` allows at `place`; empty if it knows no such place."""
    found = _alternatives(schema, schema)
    for part in place:
        inner: list[Schema] = []
        for alternative in found:
            if isinstance(part, int):
                deeper = alternative.get("items")
            else:
                deeper = alternative.get("properties", {}).get(
                    part, alternative.get("additionalProperties")
                )
            if isinstance(deeper, dict):
                inner += _alternatives(deeper, schema)
        found = inner
    return found


def in_words(alternatives: list[Schema]) -> str:
    """Return what the alternatives allow: `a whole number from 1 to 8, or auto`."""
    words = list(dict.fromkeys(_words(schema) for schema in alternatives))
    # `a path, or a list of paths` without a plural for everything that may be in a list.
    lists = [f"a list of {', or '.join(words[:n])}" for n in range(1, len(words))]
    words = ["a list of these" if one in lists else one for one in words]
    return ", or ".join(words) or "something else"


def choices(alternatives: list[Schema]) -> list[str]:
    """Return the words that the alternatives allow literally."""
    listed: list[Any] = []
    for schema in alternatives:
        listed += schema.get("enum", [])
        listed += [schema["const"]] if "const" in schema else []
    return [choice for choice in listed if isinstance(choice, str)]


def _alternatives(schema: Schema, root: Schema) -> list[Schema]:
    if "$ref" in schema:
        return _alternatives(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return [one for inner in schema[union] for one in _alternatives(inner, root)]
    if isinstance(schema.get("items"), dict):
        # Whoever puts the list into words has no root to look its references up in.
        return [{**schema, "items": {"anyOf": _alternatives(schema["items"], root)}}]
    return [schema]


def _words(schema: Schema) -> str:
    if "properties" in schema:
        return f"the keys {listed(list(schema['properties']), 'and')}"
    # An enumeration's title is the name of its class.
    if "enum" in schema:
        return listed([str(choice) for choice in schema["enum"]], "or")
    if "title" in schema:
        return str(schema["title"])
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type")
    if kind in {"integer", "number"}:
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "array":
        items = schema.get("items")
        return "a list of " + in_words(_alternatives(items, schema)) if items else "a list"
    if kind == "string" and "maxLength" in schema:
        return f"text of at most {schema['maxLength']:,} characters"
    if schema.get("format") == "path":
        return "a path"
    names = {"string": "text", "boolean": "true or false", "object": "a mapping"}
    return names.get(str(kind), "something else")


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    above = schema.get("exclusiveMinimum")
    if least is not None and most is not None:
        return f" from {_number(least)} to {_number(most)}"
    parts = []
    if least is not None:
        parts.append(f"of at least {_number(least)}")
    if above is not None:
        parts.append(f"above {_number(above)}")
    if most is not None:
        parts.append(f"at most {_number(most)}")
    return "".join(f" {part}" for part in [" and ".join(parts)] if part)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def listed(words: Sequence[str], last: str) -> str:
    """Return `png, jpeg or webp`; `last` is the word before the last one."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
