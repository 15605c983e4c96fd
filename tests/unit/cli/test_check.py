from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from atelierd.exits import Exit

Command = Callable[..., Any]


@pytest.fixture
def inbox(tmp_path: Path, command: Command, pictures: tuple[Path, Path]) -> Path:
    """The inbox of a configuration in the current folder, with two pictures in it."""
    command("init", "share", "--state", "state")
    folder = tmp_path / "share" / "inbox"
    for picture in pictures:
        picture.rename(folder / picture.name)
    return folder


def job(folder: Path, text: str, name: str = "job.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_it_says_what_would_be_done(command: Command, inbox: Path) -> None:
    path = job(inbox, "content: photo.png\nstyle: [painting.png, photo.png]\nsize: 240\n")
    outcome = command("check", path)
    assert outcome.code == 0
    assert "2 renders, preset default" in outcome.out
    assert "1. photo-painting: photo.png in the style of painting.png" in outcome.out
    assert "renders 1-2: 240 x 160 pixels, about" in outcome.out
    assert "iterations: 80 at 120 x 80, then 120 at 240 x 160" in outcome.out
    assert path.exists()


def test_it_tells_renders_of_different_sizes_apart(command: Command, inbox: Path) -> None:
    Image.new("RGB", (40, 60)).save(inbox / "upright.png")
    path = job(inbox, "content: [photo.png, upright.png]\nstyle: painting.png\npreset: draft\n")
    outcome = command("check", path)
    assert "render 1: 256 x 171 pixels" in outcome.out
    assert "render 2: 171 x 256 pixels" in outcome.out


def test_paths_go_by_the_configurations_inbox(command: Command, inbox: Path) -> None:
    path = job(inbox, "content: photo.png\nstyle: painting.png\n", "anna/job.yaml")
    assert command("check", path).code == 0


def test_paths_go_by_the_inbox_that_is_named_or_by_the_files_own_folder(
    command: Command, inbox: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    path = job(elsewhere, "content: a/photo.png\nstyle: a/photo.png\n")
    (elsewhere / "a").mkdir()
    Image.new("RGB", (40, 60)).save(elsewhere / "a" / "photo.png")
    assert command("check", path).code == 0
    assert command("check", path, "--inbox", elsewhere).code == 0
    outcome = command("check", path, "--inbox", inbox)
    assert outcome.code == Exit.FAILED
    assert "does not lie in" in outcome.err


def test_a_job_file_outside_of_the_inbox_is_told_how_to_be_checked_inside(
    command: Command, inbox: Path, tmp_path: Path
) -> None:
    text = "content: photo.png\nstyle: painting.png\n"
    outcome = command("check", job(tmp_path / "elsewhere", text))
    assert outcome.code == Exit.FAILED
    assert f"what is in {inbox}" in outcome.err
    assert command("check", job(inbox, text, "job.yaml.tmp")).code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("content: photo.png\nstile: painting.png\n", "line 2, stile: unknown key; did you mean"),
        ("content: photo.png\nstyle: ../../etc/passwd\n", "climbs out"),
        ("content: photo.png\nstyle: starry.png\n", "starry.png"),
        (
            "content: photo.png\nstyle: painting.png\npreset: fancy\n",
            "job.yaml: line 3, preset: there is no preset 'fancy'; expected default, draft",
        ),
        ("content: photo.png\nstyle: text.png\n", "text.png"),
        ("content: photo.png\nstyle: painting.png\nsize: 1000x32\nscales: 9\n", "line 4, scales"),
        ("content: wide.png\nstyle: painting.png\nsize: 64\n", "too small for the network"),
        ("content: photo.png\nstyle: painting.png\nsize: 32000\n", "GiB of memory"),
        ("", "empty"),
    ],
)
def test_what_is_wrong_is_said_and_exits_with_1(
    command: Command, inbox: Path, text: str, words: str
) -> None:
    (inbox / "text.png").write_text("no picture")
    Image.new("RGB", (400, 40)).save(inbox / "wide.png")
    outcome = command("check", job(inbox, text))
    assert outcome.code == Exit.FAILED
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_a_job_file_that_is_none_does_not_block(command: Command, inbox: Path) -> None:
    os.mkfifo(inbox / "pipe.yaml")
    for name in ("pipe.yaml", "gone.yaml", "."):
        outcome = command("check", inbox / name)
        assert outcome.code == Exit.FAILED
        assert "expected a job file" in outcome.err


def test_in_json_it_tells_each_render_and_its_phases(command: Command, inbox: Path) -> None:
    path = job(inbox, "content: photo.png\nstyle: {painting.png: 3, photo.png: 1}\nsize: 240\n")
    outcome = command("check", path, "--json")
    assert outcome.code == 0
    facts = json.loads(outcome.out)
    assert facts["sound"] and facts["settings"]["size"] == 240
    (render,) = facts["renders"]
    assert (render["width"], render["height"]) == (240, 160)
    assert sum(phase["iterations"] for phase in render["phases"]) == 200
    assert [style["share"] for style in render["styles"]] == [0.75, 0.25]
    assert render["memory_bytes"] > 0


def test_in_json_what_is_wrong_is_a_list_and_the_exit_code_is_1(
    command: Command, inbox: Path
) -> None:
    path = job(inbox, "content: photo.png\nstile: painting.png\nsize: -5\n")
    outcome = command("check", path, "--json")
    assert outcome.code == Exit.FAILED and outcome.err == ""
    facts = json.loads(outcome.out)
    assert not facts["sound"]
    assert any("stile" in line for line in facts["problems"])
    assert any("size" in line for line in facts["problems"])


def test_it_says_when_the_job_would_be_done(command: Command, inbox: Path, tmp_path: Path) -> None:
    path = job(inbox, "content: photo.png\nstyle: painting.png\nsize: 64\n")
    assert "with an empty queue: done " in command("check", path).out
    day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    with (tmp_path / "atelierd.yaml").open("a") as file:
        file.write(f"schedule: {{time_zone: UTC, windows: {{later: {day}}}}}\n")
    assert "with an empty queue: waits until " in command("check", path).out
    facts = json.loads(command("check", "--json", path).out)
    assert ", done " in facts["expected"] and facts["expected_end"] > datetime.now(UTC).isoformat()


def test_a_window_that_there_is_not_is_told_with_its_line(command: Command, inbox: Path) -> None:
    path = job(inbox, "content: photo.png\nstyle: painting.png\nwindow: nigth\n")
    outcome = command("check", path)
    assert outcome.code == Exit.FAILED
    assert "job.yaml: line 3, window: found 'nigth'; expected days and hours" in outcome.err
