import json

import pytest

from atelierd.jobs.jsonschema import FILE_NAME, job_schema
from atelierd.jobs.presets import shipped_config
from atelierd.jobs.schema import JobFile, Output


def test_the_schema_in_the_repository_is_the_one_of_the_code() -> None:
    shipped = json.loads((shipped_config() / FILE_NAME).read_text())
    assert shipped == job_schema(), "run `python -m atelierd.jobs.jsonschema`"


@pytest.mark.parametrize("model", [JobFile, Output])
def test_every_key_is_described(model: type[JobFile | Output]) -> None:
    assert [key for key, info in model.model_fields.items() if not info.description] == []


def test_the_schema_speaks_of_keys_left_out_not_of_nulls() -> None:
    assert "null" not in json.dumps(job_schema())
    assert job_schema()["required"] == ["content", "style"]
    assert list(job_schema()["properties"])[:2] == ["content", "style"]
