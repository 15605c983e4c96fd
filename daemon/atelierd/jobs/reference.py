"""The keys of a job file as a Markdown table, for the documentation.

`python -m atelierd.jobs.reference` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from atelierd.expectations import in_words, plain_schema, schemas_at
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.resolved import DEFAULT_PRESET
from atelierd.jobs.schema import JobFile, Output


def key_table() -> str:
    """Return a row for each key: what it may be, its value in the `default` preset, its meaning."""
    defaults = load_preset(DEFAULT_PRESET, [shipped_config() / "presets"])
    rows = [
        "| key | may be | default | meaning |",
        "| --- | --- | --- | --- |",
        *_rows(JobFile, defaults, ""),
        *_rows(Output, defaults["output"], "output: "),
    ]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], defaults: Mapping[str, Any], prefix: str) -> list[str]:
    schema = plain_schema(model)
    return [
        f"| `{prefix}{key}` | {in_words(schemas_at(schema, (key,)))} "
        f"| {defaults.get(key, '')} | {model.model_fields[key].description} |"
        for key in schema["properties"]
        if key != "output"
    ]


if __name__ == "__main__":
    sys.stdout.write(key_table())
