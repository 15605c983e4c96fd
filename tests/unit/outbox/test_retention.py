"""Old folders leave the outbox, and nothing that a person has put or changed there goes along."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.outbox.test_desk import render_spec

from atelierd.jobs.frozen import job_file_path
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender
from atelierd.ledger.states import Action, JobState
from atelierd.outbox import retention as module
from atelierd.outbox.desk import Desk
from atelierd.outbox.folder import folder_of, place_job
from atelierd.outbox.provenance import begin_removal, note_published, sealed_jobs
from atelierd.outbox.publish import (
    RenderResult,
    publish_page_file,
    publish_picture,
    publish_result,
)
from atelierd.outbox.retention import Retention, removed_between
from atelierd.settings import RetentionSettings
from atelierd.share import init_share

JOB_FILE = b"content: skyline.jpg\nstyle: starry.jpg\n"
DAY = timedelta(days=1)
#: The job finished ten days before it.
NOW = datetime(2026, 3, 12, 12, tzinfo=UTC)


class Office:
    """An outbox in which jobs have finished, as the daemon leaves them."""

    def __init__(self, root: Path) -> None:
        init_share(root / "share")
        self.outbox, self.state = root / "share" / "outbox", root / "state"
        self.state.mkdir()
        self.wall = NOW - 10 * DAY
        self.ledger = Ledger.open(self.state / "ledger.sqlite", clock=lambda: self.wall)
        self.desk = Desk(self.ledger, self.outbox, self.state, lambda: 1.0)

    def job(self, job_id: str, *, state: JobState = JobState.DONE) -> Path:
        """Have a job with two snapshots and a result, all of it shown; return its folder."""
        path = job_file_path(self.state, job_id)
        path.parent.mkdir(parents=True)
        path.write_bytes(JOB_FILE)
        digest = hashlib.sha256(JOB_FILE).hexdigest()
        render = NewRender("sky", render_spec("sky"), 200)
        new = NewJob(job_id, job_id, f"{job_id}.yaml", self.wall, digest, renders=(render,))
        job = self.ledger.add_job(new)
        folder = place_job(self.outbox, self.ledger, job, JOB_FILE)
        self.ledger.begin_attempt(f"{job_id}.0", 1)
        files = []
        for name in ("sky-0040.png", "sky-0080.png", "sky.png"):
            if state is not JobState.DONE and name == "sky.png":
                continue
            files.append(publish_picture(folder, name, f"{job_id}'s {name}".encode()))
            note_published(self.state, job_id, files[-1])
        publish_page_file(folder, "0000-now-small.jpg", b"\xff\xd8\xff now")
        publish_page_file(folder, "content-0123456789abcdef.jpg", b"\xff\xd8\xff content")
        self.desk.changed(job_id)
        self.show()
        if state is JobState.DONE:
            publish_result(folder, RenderResult(0, "sky", tuple(files), {}))
            self.ledger.finish_render(f"{job_id}.0")
        elif state is JobState.FAILED:
            self.ledger.fail_render(f"{job_id}.0", "for a reason")
        elif state is JobState.CANCELLED:
            self.ledger.act(Action.CANCEL, job_id)
        self.desk.changed(job_id)
        self.show()
        return folder.path

    def show(self) -> None:
        self.desk.turn((), (), until=1e9)

    def retention(self, **values: Any) -> Retention:
        chosen = RetentionSettings.model_validate(values)
        return Retention(self.outbox, self.state, chosen, self.ledger, lambda: NOW)

    def sweep(self, at: datetime = NOW, **values: Any) -> None:
        for _ in self.retention(**({"keep_days": 7} | values)).steps(at):
            pass

    def folders(self) -> list[str]:
        """Return the folders of jobs that there are."""
        return sorted(one.name for one in self.outbox.iterdir() if (one / "status.json").exists())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    one = Office(tmp_path)
    yield one
    one.ledger.close()


def everything(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"(folder)"
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED])
def test_the_folder_of_an_old_job_goes_whole(
    office: Office, state: JobState, caplog: pytest.LogCaptureFixture
) -> None:
    folder = office.job("a", state=state)
    assert len(everything(folder)) >= 9
    with caplog.at_level("INFO", "atelierd"):
        office.sweep()
    assert not folder.exists()
    assert "removed a from the outbox: it finished more than 7 days ago" in caplog.text
    assert sealed_jobs(office.state) == []


def test_a_refused_job_goes_too(office: Office) -> None:
    path = job_file_path(office.state, "bad")
    path.parent.mkdir(parents=True)
    path.write_bytes(JOB_FILE)
    digest = hashlib.sha256(JOB_FILE).hexdigest()
    office.ledger.add_job(NewJob("bad", "bad", "b.yaml", office.wall, digest, failure="no style"))
    office.desk.changed("bad")
    office.show()
    assert "no style" in (office.outbox / "bad" / "error.txt").read_text()
    office.sweep()
    assert not (office.outbox / "bad").exists()


def test_by_default_nothing_ever_goes(office: Office) -> None:
    office.job("a")
    for _ in office.retention().steps(NOW + 9999 * DAY):
        pass
    assert office.folders() == ["a"]


def test_only_what_is_old_enough_goes(office: Office) -> None:
    office.job("old")
    office.wall = NOW - 3 * DAY
    office.job("new")
    office.sweep()
    assert office.folders() == ["new"]


@pytest.mark.parametrize("action", [None, Action.HOLD, Action.RETRY])
def test_a_job_that_is_not_finished_stays_however_old_it_is(
    office: Office, action: Action | None
) -> None:
    if action is Action.RETRY:
        office.job("a", state=JobState.CANCELLED)
    else:
        office.job("a", state=JobState.RUNNING)
    if action is not None:
        office.ledger.act(action, "a")
    office.sweep(NOW + 999 * DAY)
    assert office.folders() == ["a"]


def test_a_job_that_is_retried_while_its_folder_is_looked_through_stays(office: Office) -> None:
    folder = office.job("a", state=JobState.FAILED)
    before = everything(folder)
    steps = office.retention(keep_days=7).steps(NOW)
    next(steps)
    next(steps)
    office.ledger.act(Action.RETRY, "a")
    for _ in steps:
        pass
    assert everything(folder) == before


def test_a_job_that_was_retried_and_has_ended_again_is_known_by_its_second_end(
    office: Office,
) -> None:
    folder = office.job("a", state=JobState.FAILED)
    office.ledger.act(Action.RETRY, "a")
    office.desk.changed("a")
    office.show()
    office.wall += DAY
    office.ledger.begin_attempt("a.0", 1)
    file = publish_picture(folder_of(office.outbox, office.ledger.job_by_id("a")), "sky.png", b"!")
    result = RenderResult(0, "sky", (file,), {})
    publish_result(folder_of(office.outbox, office.ledger.job_by_id("a")), result)
    office.ledger.finish_render("a.0")
    office.desk.changed("a")
    office.show()
    office.sweep()
    assert not folder.exists()


def test_a_restart_that_shows_everything_anew_keeps_nothing_from_going(office: Office) -> None:
    folder = office.job("a")
    office.desk = Desk(office.ledger, office.outbox, office.state, lambda: 2.0)
    office.show()
    office.sweep()
    assert not folder.exists()


def test_after_a_full_disk_the_oldest_go_first_and_no_more_than_needed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days, name in ((9, "c"), (5, "a"), (7, "b"), (0, "fresh")):
        office.wall = NOW - days * DAY
        office.job(name)
    usage = shutil.disk_usage(office.outbox)

    def free(_: object) -> object:
        gone = 4 - len(office.folders())
        return usage._replace(free=(8 + gone) * 2**20)

    monkeypatch.setattr("shutil.disk_usage", free)
    office.sweep(keep_days=None, keep_free="10 MiB")
    assert office.folders() == ["a", "fresh"]
    office.sweep(keep_days=None, keep_free="1 GiB")
    assert office.folders() == ["fresh"], "a day is the least"


def test_a_full_disk_of_the_state_folder_shortens_how_long_inputs_are_kept(
    office: Office,
) -> None:
    week = timedelta(days=7)
    assert office.retention().keep_inputs(week) == week
    assert office.retention(keep_free="1 kB").keep_inputs(week) == week
    assert office.retention(keep_free=10**18).keep_inputs(week) == DAY
    assert office.retention(keep_free=10**18).keep_inputs(timedelta(0)) == timedelta(0)


def test_what_was_removed_is_remembered_for_the_report(office: Office) -> None:
    office.job("a")
    office.job("b")
    office.sweep()
    assert removed_between(office.state, NOW, NOW + DAY) == ["a", "b"]
    assert removed_between(office.state, NOW - DAY, NOW) == []
    with (office.state / "removed.jsonl").open("a") as file:
        file.write('{"at": "2026-03')
    assert removed_between(office.state, NOW, NOW + DAY) == ["a", "b"]


def test_a_folder_that_its_owner_has_taken_is_forgotten(office: Office) -> None:
    folder = office.job("a")
    folder.rename(office.outbox.parent / "mine")
    office.sweep()
    assert sealed_jobs(office.state) == []
    assert (office.outbox.parent / "mine" / "sky.png").exists()


def test_a_folder_of_somebody_else_under_the_same_name_stays(office: Office) -> None:
    folder = office.job("a")
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "sky.png").write_bytes(b"a's sky.png")
    office.sweep()
    assert everything(folder) == {"sky.png": b"a's sky.png"}


def note(folder: Path) -> None:
    (folder / "notes.txt").write_text("for the exhibition")


def hidden(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0")


def more_pictures(folder: Path) -> None:
    (folder / "sky-0099.png").write_bytes(b"painted over by hand")


def a_folder(folder: Path) -> None:
    (folder / "prints").mkdir()


def a_link(folder: Path) -> None:
    (folder / "sky-0120.png").symlink_to(folder / "sky.png")


def among_the_page_files(folder: Path) -> None:
    (folder / "report_files" / "Thumbs.db").write_bytes(b"x")


def deep_among_the_page_files(folder: Path) -> None:
    (folder / "report_files" / "mine").mkdir()


def a_changed_result(folder: Path) -> None:
    (folder / "sky.png").write_bytes(b"A's sky.png")


def a_changed_snapshot(folder: Path) -> None:
    with (folder / "sky-0040.png").open("ab") as file:
        file.write(b"!")


def a_changed_text(folder: Path) -> None:
    with (folder / "report.html").open("a") as file:
        file.write("<p>lovely</p>")


def a_changed_job_file(folder: Path) -> None:
    (folder / "job.original.yaml").write_bytes(JOB_FILE + b"# lovely\n")


def a_changed_status(folder: Path) -> None:
    (folder / "status.json").write_text("{}")


def an_answer_with_notes(folder: Path) -> None:
    (folder / "answer.txt").write_text("retry: a is queued now\nwhy, after all?\n")


def a_link_for_the_page_files(folder: Path) -> None:
    (folder / "report_files").rename(folder.parent / "elsewhere")
    (folder / "report_files").symlink_to(folder.parent / "elsewhere")


MEDDLING: list[Callable[[Path], None]] = [
    *(note, hidden, more_pictures, a_folder, a_link, among_the_page_files),
    *(deep_among_the_page_files, a_changed_result, a_changed_snapshot, a_changed_text),
    *(a_changed_job_file, a_changed_status, an_answer_with_notes, a_link_for_the_page_files),
]


@pytest.mark.parametrize("meddle", MEDDLING, ids=lambda one: one.__name__)
def test_a_folder_in_which_a_person_has_put_or_changed_something_stays_whole(
    office: Office, meddle: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = office.job("a")
    meddle(folder)
    office.job("b")
    before = everything(folder)
    with caplog.at_level("INFO", "atelierd"):
        office.sweep()
    assert everything(folder) == before
    assert not (office.outbox / "b").exists(), "one that stays keeps no other"
    assert "a stays in the outbox" in caplog.text


def test_a_folder_that_stays_is_looked_through_once_and_again_when_it_has_changed(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    folder = office.job("a")
    note(folder)
    one = office.retention(keep_days=7)
    with caplog.at_level("INFO", "atelierd"):
        for _ in range(3):
            for _ in one.steps(NOW):
                pass
    assert caplog.text.count("a stays in the outbox") == 1
    (folder / "notes.txt").unlink()
    for _ in one.steps(NOW):
        pass
    assert not folder.exists()


NAMES = st.sampled_from(
    [
        *("sky.png", "sky-0040.png", "sky-0041.png", "report.html", "status.json", "result.json"),
        *("job.yaml", "job.original.yaml", "error.txt", "answer.txt", "contact-sheet.jpg"),
        *("report_files/live.js", "report_files/0000-now-small.jpg", "report_files/0001-now.jpg"),
        *("notes.txt", "cancel", "prints/sky.png", ".atelierd-tmp-mine", "report_files/a/b.jpg"),
    ]
)
CHANGES = st.dictionaries(NAMES, st.binary(max_size=12), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=CHANGES, at_step=st.integers(0, 8))
def test_whatever_a_person_writes_and_whenever_it_is_there_afterwards(
    changes: dict[str, bytes], at_step: int
) -> None:
    """Before the removal begins, or in the midst of it: what a person wrote survives, all of it."""
    with tempfile.TemporaryDirectory() as root:
        office = Office(Path(root))
        try:
            folder = office.job("a")
            steps = office.retention(keep_days=7).steps(NOW)
            for _ in range(at_step):
                next(steps, None)
            for name, data in changes.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                # A clock that moves on, as those of people do.
                os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
            for _ in steps:
                pass
            office.sweep()
            assert {name: (folder / name).read_bytes() for name in changes} == changes
        finally:
            office.ledger.close()


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step does little."""
    monkeypatch.setattr(module, "_AT_ONCE", 1)


@pytest.mark.parametrize("steps_before", range(0, 26, 3))
def test_cut_off_at_any_step_the_next_start_goes_on(
    office: Office, little: None, steps_before: int
) -> None:
    folder = office.job("a")
    steps = office.retention(keep_days=7).steps(NOW)
    for _ in range(steps_before):
        next(steps, None)
    del steps
    # It shows every job anew, but not one whose folder is on its way out.
    office.desk = Desk(office.ledger, office.outbox, office.state, lambda: 2.0)
    office.show()
    office.sweep()
    assert not folder.exists()
    assert sealed_jobs(office.state) == []


def test_a_folder_that_a_kill_has_left_empty_goes_in_the_next_round(office: Office) -> None:
    folder = office.job("a")
    begin_removal(office.state, "a")
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    office.sweep()
    assert not folder.exists()


@pytest.mark.parametrize("steps_before", range(0, 26, 3))
def test_a_job_that_is_retried_after_a_kill_in_the_midst_gets_its_folder_back(
    office: Office, little: None, steps_before: int
) -> None:
    folder = office.job("a", state=JobState.FAILED)
    steps = office.retention(keep_days=7).steps(NOW)
    for _ in range(steps_before):
        next(steps, None)
    del steps
    office.ledger.act(Action.RETRY, "a")
    office.desk.changed("a")
    office.show()
    assert (folder / "status.json").exists()
    office.ledger.fail_render("a.0", "for a reason")
    office.desk.changed("a")
    office.show()
    assert "for a reason" in (folder / "error.txt").read_text()
