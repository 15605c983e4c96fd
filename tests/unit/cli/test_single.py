from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from atelierd.cli.single import pair
from atelierd.errors import JobFault
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.reader import read_job
from atelierd.jobs.resolved import RenderSettings, resolve

PRESETS = (shipped_config() / "presets",)


def of_a_job(text: str) -> RenderSettings:
    """Return the settings that the daemon would give a job file."""
    job = read_job(f"content: a\nstyle: b\n{text}".encode(), "job.yaml")
    preset = load_preset(job.preset or "default", PRESETS)
    return resolve(job, preset, load_preset("default", PRESETS))


def test_settings_are_those_that_a_job_file_would_get(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    assert pair(content, [style], {}, PRESETS).frozen.settings == of_a_job("")
    chosen = {"preset": "draft", "size": "64x48", "output": {"format": "webp"}}
    expected = of_a_job("preset: draft\nsize: 64x48\noutput: {format: webp}\n")
    assert pair(content, [style], chosen, PRESETS).frozen.settings == expected


def test_files_are_known_by_their_hashes_wherever_they_lie(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    work = pair(content, [style], {}, PRESETS)
    digest = hashlib.sha256(content.read_bytes()).hexdigest()
    assert work.frozen.content.sha256 == digest
    assert work.open_input(work.frozen.content) == content
    assert work.frozen.title == "photo-painting"


def test_styles_are_blended_by_their_weights(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    work = pair(content, [style, content], {}, PRESETS, [3, 1])
    assert [one.share for one in work.frozen.styles] == [0.75, 0.25]
    assert work.frozen.title == "photo-painting+photo"
    work = pair(content, [style, content], {}, PRESETS)
    assert [one.share for one in work.frozen.styles] == [0.5, 0.5]


def test_a_render_may_start_from_any_file(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    work = pair(content, [style], {"init": str(style)}, PRESETS)
    assert work.frozen.settings.init == "file"
    assert work.frozen.init is not None
    assert work.open_input(work.frozen.init) == style
    work = pair(content, [style], {"init": "random"}, PRESETS)
    assert (work.frozen.settings.init, work.frozen.init) == ("random", None)


def test_masks_may_be_any_files(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    work = pair(content, [style], {}, PRESETS, masks=[(content, style), (content, None)])
    first, second = work.frozen.masks
    assert first.style is not None
    assert work.open_input(first.content) == content
    assert work.open_input(first.style) == style
    assert second.style is None
    with pytest.raises(JobFault, match="masks: engine cntk has none"):
        pair(content, [style], {"engine": "cntk"}, PRESETS, masks=[(content, None)])


def test_masks_may_be_said_as_in_a_job_file(
    pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, style = pictures
    monkeypatch.chdir(content.parent)
    work = pair(content, [style], {"masks": {"content": content.name}}, PRESETS)
    (region,) = work.frozen.masks
    assert work.open_input(region.content) == Path(content.name)


def test_wrong_choices_are_told_by_their_names_all_at_once(pictures: tuple[Path, Path]) -> None:
    content, style = pictures
    with pytest.raises(JobFault) as caught:
        pair(content, [style], {"stile_weight": 1, "iterations": -1}, PRESETS)
    lines = str(caught.value).splitlines()
    assert any(line.startswith("iterations: found -1; expected") for line in lines)
    assert "stile_weight: unknown key; did you mean style_weight?" in lines
    with pytest.raises(JobFault, match="no preset 'fancy'"):
        pair(content, [style], {"preset": "fancy"}, PRESETS)


def test_a_missing_file_a_folder_and_a_pipe_are_told_apart_and_block_nothing(
    pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    _, style = pictures
    os.mkfifo(tmp_path / "pipe.png")
    for path, words in (
        (tmp_path / "gone.png", "no such file"),
        (tmp_path, "a folder or a device"),
        (tmp_path / "pipe.png", "a folder or a device"),
    ):
        with pytest.raises(JobFault, match=words):
            pair(path, [style], {}, PRESETS)
