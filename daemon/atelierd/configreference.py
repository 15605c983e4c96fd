"""The keys of the configuration as a Markdown table, for the documentation.

`python -m atelierd.configreference` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from atelierd.events import Event
from atelierd.expectations import in_words, plain_schema, schemas_at
from atelierd.settings import Settings

_DURATIONS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def settings_table() -> str:
    """Return a row for each key: what it may be, its default, its meaning."""
    rows = [
        "| key | may be | default | meaning |",
        "| --- | --- | --- | --- |",
        *_rows(Settings, ""),
    ]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    schema = plain_schema(model)
    for key, field in model.model_fields.items():
        inner = _section(field.annotation)
        if inner is not None:
            dash = "- " if "tuple" in str(field.annotation) else ""
            yield from _rows(inner, f"{prefix}{key}: {dash}")
            continue
        may_be = in_words(schemas_at(schema, (key,))).replace("|", "\\|")
        yield f"| `{prefix}{key}` | {may_be} | {_default(key, field)} | {field.description} |"


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation is about, also in a list or where it may be missing."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _section(one))), None)


def _default(key: str, field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if key == "free_space":
        return f"{value // 2**20} MiB"
    match value:
        case timedelta():
            seconds = value.total_seconds()
            unit, size = next(one for one in _DURATIONS if seconds % one[1] == 0)
            return f"{seconds / size:g} {unit}"
        case time():
            return f"{value:%H:%M}"
        case None | Path() | {} | ():
            return ""
        case tuple() if value == tuple(Event):
            return "all"
        case tuple():
            return ", ".join(str(one) for one in value)
        case _:
            return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.stdout.write(settings_table())
