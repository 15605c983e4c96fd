from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atelierd.jobs.expand import RenderSpec, expand
from atelierd.jobs.frozen import FrozenImage, FrozenRegion, FrozenRender, FrozenStyle
from atelierd.jobs.paths import Root
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.reader import read_job
from atelierd.jobs.resolved import resolve
from atelierd.ledger import Ledger
from atelierd.ledger.rows import JobRow, NewJob, NewRender, RenderRow
from atelierd.outbox.folder import JobFolder, open_job_folder
from atelierd.outbox.rerun import rerun_file, write_rerun
from atelierd.schedule.timetable import Wishes

PICTURES = (
    *("a.jpg", "sub/[b] #1.jpg", "sub/ünder wegs.jpg", "<i>'\"&.png", "art/x.png", "art/🌃.png"),
    *("1e3", "art/no", "sub/- a: b"),
)
SHA = "0123456789abcdef" * 4


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for name in PICTURES:
        file = tmp_path / "inbox" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "inbox"


def expanded(data: bytes, inbox: Path, folder: str = "") -> list[RenderSpec]:
    job = read_job(data, "job.yaml")
    presets = [shipped_config() / "presets"]
    preset = load_preset(job.preset or "default", presets)
    resolved = resolve(job, preset, load_preset("default", presets))
    return expand(job, resolved, Root(inbox), PurePosixPath(folder))


def frozen(spec: RenderSpec) -> FrozenRender:
    return FrozenRender(
        title=spec.title,
        content=FrozenImage(path=spec.content, sha256=SHA),
        styles=tuple(FrozenStyle(path=p, sha256=SHA, share=share) for p, share in spec.styles),
        init=None if spec.init_file is None else FrozenImage(path=spec.init_file, sha256=SHA),
        masks=tuple(
            FrozenRegion(
                content=FrozenImage(path=content, sha256=SHA),
                style=None if style is None else FrozenImage(path=style, sha256=SHA),
            )
            for content, style in spec.masks
        ),
        settings=spec.settings,
    )


Accept = Callable[..., tuple[JobRow, list[RenderRow]]]


@pytest.fixture
def accept(ledger: Ledger) -> Accept:
    def accept(specs: list[RenderSpec], name: str = "night") -> tuple[JobRow, list[RenderRow]]:
        job = ledger.add_job(
            NewJob(
                id=f"a{ledger.counts().jobs}",
                name=name,
                source="anna/night\n.yaml",
                submitted_at=datetime(2026, 3, 1, 21, 0, tzinfo=UTC),
                job_file_sha256="0",
                priority=7,
                renders=tuple(
                    NewRender(spec.title, frozen(spec).model_dump_json(), 9) for spec in specs
                ),
            )
        )
        return job, ledger.renders(job.id)

    return accept


@pytest.mark.parametrize(
    "job",
    [
        {"content": "a.jpg", "style": "art/x.png"},
        {"content": ["a.jpg", "sub/*"], "style": ["art/*", "<i>'\"&.png"]},
        {"content": "sub/[[]b] #1.jpg", "style": "art/🌃.png", "preset": "tutorial"},
        {"content": "a.jpg", "style": {"art/x.png": 1, "art/🌃.png": 1, "a.jpg": 5}},
        {"content": "a.jpg", "style": ["art/x.png", {"art/x.png": 1, "a.jpg": 2}], "init": "a.jpg"},
        {"content": "a.jpg", "style": "art/x.png", "size": "480x360", "init": "random", "seed": 3},
        {"content": "a.jpg", "style": "art/x.png", "output": {"format": "webp"}, "decay": 1e-7},
        {"content": "1e3", "style": ["art/no", {"1e3": 2, "art/no": 1}], "init": "sub/- a: b"},
        {"content": "a.jpg", "style": "art/x.png", "iterations": 2, "snapshots": 9},
        {"content": "a.jpg", "style": "a.jpg", "masks": {"content": "art/x.png", "style": "1e3"}},
        {"content": "a.jpg", "style": "a.jpg", "masks": [{"content": "art/no"}] * 2},
        {"content": "a.jpg", "style": "a.jpg", "recipe": "gatys", "color": "match"},
        {"content": "a.jpg", "style": "a.jpg", "color": "keep", "style_scale": 0.3},
    ],
)
def test_a_job_run_again_from_its_receipt_has_the_very_same_renders(
    job: dict[str, object], inbox: Path, accept: Accept
) -> None:
    specs = expanded(json.dumps(job, ensure_ascii=False).encode(), inbox)
    again = rerun_file(*accept(specs))
    assert expanded(again, inbox) == specs
    # From a folder beside the pictures, too: what is not found there is looked for in the inbox.
    assert expanded(again, inbox, "nothing/here") == specs


@given(
    st.dictionaries(st.sampled_from(PICTURES), st.floats(min_value=1e-9, max_value=1e9), min_size=2)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_shares_of_a_blend_stay_what_they_are_to_the_last_digit(
    inbox: Path, accept: Accept, weights: dict[str, float]
) -> None:
    job = {"content": "a.jpg", "style": weights}
    specs = expanded(json.dumps(job, ensure_ascii=False).encode(), inbox)
    assert expanded(rerun_file(*accept(specs)), inbox) == specs


def test_every_setting_is_written_out(inbox: Path, accept: Accept) -> None:
    specs = expanded(b"content: a.jpg\nstyle: art/x.png\n", inbox)
    job = read_job(rerun_file(*accept(specs), "bf16"), "job.yaml")
    assert job.precision == "bf16"
    assert (job.name, job.priority) == ("night", 7)
    # A preset has none of these, so a job that says nothing of them has none.
    left_out = {key for key, value in job.model_dump().items() if value is None}
    assert left_out == {"masks", "not_before", "window", "deadline"}


def test_hours_are_written_out_and_moments_that_will_be_past_are_not(
    inbox: Path, accept: Accept
) -> None:
    specs = expanded(b"content: a.jpg\nstyle: art/x.png\n", inbox)
    moment = datetime(2026, 11, 25, 22, tzinfo=UTC)
    accepted, renders = accept(specs)
    wishing = replace(accepted, wishes=Wishes(moment, "22:00-06:00", moment))
    job = read_job(rerun_file(wishing, renders), "job.yaml")
    assert (job.window, job.not_before, job.deadline) == ("22:00-06:00", None, None)


@pytest.mark.parametrize(
    "name", ["a" * 200, "two\nlines", "bell\a", "no", "1e3", "🌃 <b>", "'\": #"]
)
def test_a_name_that_a_job_file_may_not_say_becomes_that_of_the_folder(
    inbox: Path, accept: Accept, name: str
) -> None:
    job, renders = accept(expanded(b"content: a.jpg\nstyle: a.jpg\n", inbox), name)
    assert read_job(rerun_file(job, renders), "job.yaml").name in (name, job.folder)


def test_what_the_pictures_were_is_told_by_their_hashes_on_lines_that_nobody_can_break(
    inbox: Path, accept: Accept
) -> None:
    text = rerun_file(*accept(expanded(b"content: a.jpg\nstyle: art/x.png\n", inbox))).decode()
    assert f"#   {SHA}  a.jpg\n#   {SHA}  art/x.png\n" in text
    assert text.startswith("# anna/night\\n.yaml, accepted ")


def test_masks_are_told_by_their_hashes_too(inbox: Path, accept: Accept) -> None:
    job = b"content: a.jpg\nstyle: art/x.png\nmasks: {content: '1e3', style: art/no}\n"
    text = rerun_file(*accept(expanded(job, inbox))).decode()
    assert f"#   {SHA}  1e3\n#   {SHA}  art/no\n" in text


@pytest.fixture
def placed(outbox: Path, inbox: Path, accept: Accept) -> tuple[JobFolder, JobRow, list[RenderRow]]:
    job, renders = accept(expanded(b"content: a.jpg\nstyle: a.jpg\n", inbox))
    return open_job_folder(outbox, job, b""), job, renders


def test_the_precision_is_filled_in_once_it_is_known(
    placed: tuple[JobFolder, JobRow, list[RenderRow]],
) -> None:
    write_rerun(*placed)
    path = placed[0].path / "job.yaml"
    assert "precision: auto\n" in path.read_text()
    write_rerun(*placed, "fp32")
    assert "precision: fp32\n" in path.read_text()
    before = path.stat()
    write_rerun(*placed, "fp32")
    assert path.stat() == before


def test_what_a_person_has_changed_in_it_stays(
    placed: tuple[JobFolder, JobRow, list[RenderRow]],
) -> None:
    write_rerun(*placed)
    path = placed[0].path / "job.yaml"
    path.write_text(path.read_text() + "# mine\n")
    write_rerun(*placed, "fp32")
    assert path.read_text().endswith("# mine\n")
    path.unlink()
    write_rerun(*placed, "fp32")
    assert "precision: fp32\n" in path.read_text()
