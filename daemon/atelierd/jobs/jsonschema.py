"""The JSON schema of job files, for editors that complete and check while one writes.

`python -m atelierd.jobs.jsonschema` writes `config/job.schema.json`.
"""

from __future__ import annotations

from typing import Any

from atelierd.durable import write_json
from atelierd.expectations import plain_schema
from atelierd.jobs.presets import shipped_config
from atelierd.jobs.schema import JobFile

FILE_NAME = "job.schema.json"


def job_schema() -> dict[str, Any]:
    """Return the JSON schema of a job file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **plain_schema(JobFile),
        "title": "atelierd job",
    }


if __name__ == "__main__":
    write_json(shipped_config() / FILE_NAME, job_schema())
