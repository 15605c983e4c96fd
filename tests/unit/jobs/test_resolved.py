from typing import Any

import pytest

from atelierd.errors import ConfigError, JobFault
from atelierd.jobs.presets import load_preset, preset_names, shipped_config
from atelierd.jobs.reader import read_job
from atelierd.jobs.resolved import RenderSettings, resolve

SHIPPED = [shipped_config() / "presets"]
DEFAULT = load_preset("default", SHIPPED)


def settings(lines: str = "", preset: str = "default") -> RenderSettings:
    job = read_job(f"content: a\nstyle: b\npreset: {preset}\n{lines}".encode(), "a.yaml")
    return resolve(job, load_preset(preset, SHIPPED), DEFAULT)


def test_a_job_of_two_lines_has_the_default_preset() -> None:
    resolved = resolve(read_job(b"content: a\nstyle: b\n", "a.yaml"), DEFAULT, DEFAULT)
    assert resolved == settings()
    assert (resolved.preset, resolved.size, resolved.scales) == ("default", 512, "auto")


def test_the_tutorial_preset_is_the_tutorial_quirks_and_all() -> None:
    assert settings(preset="tutorial") == RenderSettings(
        preset="tutorial",
        engine="torch",
        network="vgg16",
        size=300,
        crop="square",
        iterations=200,
        snapshots=10,
        scales=1,
        content_weight=5,
        style_weight=1,
        tv_weight=1,
        decay=0.5,
        recipe="novak-nikulin",
        color="style",
        style_scale=1,
        init="content",
        seed=98052,
        minimizer="lbfgsb",
        precision="fp32",
        channel_order="as-is",
        rounding="truncate",
        output_format="jpeg",
        output_quality=75,
    )


def test_the_job_wins_over_the_preset_and_the_preset_over_the_default() -> None:
    resolved = settings("size: 64x48\noutput: {quality: 10}", preset="print")
    assert resolved.size == (64, 48)
    assert resolved.iterations == 400
    assert (resolved.output_format, resolved.output_quality) == ("tiff", 10)
    assert resolved.decay == 0.5


def test_a_file_to_start_from_is_told_apart_from_the_words() -> None:
    assert settings("init: start.png").init == "file"
    assert settings("init: random").init == "random"


def test_there_are_never_more_snapshots_than_iterations() -> None:
    assert settings("iterations: 3").snapshots == 3


@pytest.mark.parametrize("preset", preset_names(SHIPPED))
@pytest.mark.parametrize("size", ["512", "640x480", "original"])
def test_settings_go_through_json_and_back_unchanged(preset: str, size: str) -> None:
    resolved = settings(f"size: {size}", preset)
    assert RenderSettings.model_validate_json(resolved.model_dump_json()) == resolved


def test_a_default_preset_with_a_gap_is_the_owners_error() -> None:
    gap: dict[str, Any] = {key: value for key, value in DEFAULT.items() if key != "decay"}
    with pytest.raises(ConfigError, match="no preset says what decay is to be"):
        resolve(read_job(b"content: a\nstyle: b\n", "a.yaml"), {}, gap)


def test_masks_and_cntk_do_not_go_together_whoever_names_the_engine() -> None:
    masks = "masks: {content: m.png}"
    with pytest.raises(JobFault, match="masks: engine cntk has none; take them out, or say"):
        settings(f"engine: cntk\n{masks}")
    job = read_job(f"content: a\nstyle: b\n{masks}".encode(), "a.yaml")
    with pytest.raises(JobFault, match="masks"):
        resolve(job, {"engine": "cntk"}, DEFAULT)
    assert settings(masks).engine == "torch"


def test_settings_from_before_there_were_looks_are_read_with_the_looks_of_then() -> None:
    values = settings().model_dump(mode="json")
    for key in ("recipe", "color", "style_scale"):
        del values[key]
    assert RenderSettings.model_validate(values) == settings()
