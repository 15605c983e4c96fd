from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from atelierd.jobs.frozen import FrozenRender, input_path, job_file_path
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.resolved import DEFAULT_PRESET, resolve
from atelierd.jobs.schema import JobFile

SHA256 = "ab" + "0" * 62


@pytest.fixture
def render() -> dict[str, Any]:
    job = JobFile(content="a.jpg", style="b.jpg", size=(640, 480))
    defaults = load_preset(DEFAULT_PRESET, [shipped_config() / "presets"])
    return {
        "title": "a-b",
        "content": {"path": "a.jpg", "sha256": SHA256},
        "styles": [{"path": "b.jpg", "sha256": SHA256, "share": 1.0}],
        "init": None,
        "settings": resolve(job, defaults, defaults).model_dump(mode="json"),
    }


def test_a_frozen_render_goes_through_json_and_back_unchanged(render: dict[str, Any]) -> None:
    frozen = FrozenRender.model_validate(render)
    assert frozen.settings.size == (640, 480)
    assert FrozenRender.model_validate_json(frozen.model_dump_json()) == frozen


def test_what_is_no_hash_cannot_become_a_path(render: dict[str, Any]) -> None:
    render["content"]["sha256"] = "../../etc/passwd"
    with pytest.raises(ValidationError):
        FrozenRender.model_validate(render)


def test_inputs_lie_under_their_hash_and_job_files_under_their_id() -> None:
    assert input_path(Path("/state"), SHA256) == Path(f"/state/inputs/ab/{SHA256}")
    job_id = "20261123-174512-x-7f3a"
    assert job_file_path(Path("/state"), job_id) == Path(f"/state/jobs/{job_id}/job.yaml")


def test_a_render_knows_all_pictures_that_it_needs(render: dict[str, Any]) -> None:
    def paths(**parts: Any) -> list[str]:
        frozen = FrozenRender.model_validate(render | parts)
        return [image.path for image in frozen.images]

    start, mask = {"path": "c.jpg", "sha256": SHA256}, {"path": "mask.png", "sha256": SHA256}
    assert paths() == ["a.jpg", "b.jpg"]
    assert paths(init=start) == ["a.jpg", "b.jpg", "c.jpg"]
    regions = [{"content": mask, "style": None}, {"content": mask, "style": mask}]
    assert paths(masks=regions) == ["a.jpg", "b.jpg", *["mask.png"] * 3]
