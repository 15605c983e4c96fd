from pathlib import Path

import pytest

from atelierd.errors import ConfigError, JobFault
from atelierd.jobs.presets import load_preset, preset_names, shipped_config
from atelierd.jobs.resolved import RenderSettings

SHIPPED = shipped_config() / "presets"


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.yaml").write_text(text)


def test_the_shipped_presets_are_the_four_that_are_documented() -> None:
    assert preset_names([SHIPPED]) == ["default", "draft", "print", "tutorial"]


def test_the_default_preset_has_every_key() -> None:
    values = load_preset("default", [SHIPPED])
    keys = set(values) - {"output"} | {f"output_{key}" for key in values["output"]} | {"preset"}
    assert keys == set(RenderSettings.model_fields)


def test_an_unknown_preset_is_answered_with_those_there_are() -> None:
    with pytest.raises(JobFault) as caught:
        load_preset("drafft", [SHIPPED])
    assert str(caught.value) == (
        "preset: there is no preset 'drafft'; expected default, draft, print or tutorial; "
        "did you mean draft?"
    )


@pytest.mark.parametrize("name", ["../presets/default", "/etc/passwd", "Default", "", "."])
def test_a_preset_is_named_not_reached_by_a_path(name: str) -> None:
    with pytest.raises(JobFault, match="there is no preset"):
        load_preset(name, [SHIPPED])


def test_an_earlier_folder_changes_only_what_it_names(tmp_path: Path) -> None:
    write(tmp_path, "draft", "size: 100\noutput: {quality: 50}\n")
    write(tmp_path, "default", "output: {quality: 50}\n")
    assert load_preset("draft", [tmp_path, SHIPPED]) == {
        **load_preset("draft", [SHIPPED]),
        "size": 100,
        "output": {"quality": 50},
    }
    default = load_preset("default", [tmp_path, SHIPPED])
    assert default["output"] == {"format": "png", "quality": 50}


def test_a_preset_of_the_owners_own_is_found(tmp_path: Path) -> None:
    write(tmp_path, "tiny", "size: 64\n")
    assert load_preset("tiny", [tmp_path, tmp_path / "gone", SHIPPED]) == {"size": 64}
    assert "tiny" in preset_names([tmp_path, SHIPPED])


@pytest.mark.parametrize("key", ["content", "style", "name", "priority", "preset"])
def test_a_preset_cannot_say_what_belongs_to_one_job(tmp_path: Path, key: str) -> None:
    write(tmp_path, "mine", f"size: 64\n{key}: x\n")
    with pytest.raises(ConfigError, match=f"mine.yaml: line 2, {key}: unknown key"):
        load_preset("mine", [tmp_path])


def test_a_preset_cannot_start_from_a_file(tmp_path: Path) -> None:
    write(tmp_path, "mine", "init: start.png\n")
    with pytest.raises(ConfigError, match="expected content, random or style"):
        load_preset("mine", [tmp_path])
