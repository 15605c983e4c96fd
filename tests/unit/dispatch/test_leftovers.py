from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atelierd.dispatch.leftovers import sweep_work
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=15)

Leave = Callable[[str], Path]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with the renders a.0 to d.0: done, failed, cancelled, queued."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    for job_id in "abcd":
        render = NewRender("picture", "{}", 10)
        ledger.add_job(NewJob(job_id, job_id, f"{job_id}.yaml", NOW, "", renders=(render,)))
    ledger.finish_render("a.0")
    ledger.fail_render("b.0", "for a reason")
    ledger.cancel_job("c")
    yield ledger
    ledger.close()


@pytest.fixture
def leave(tmp_path: Path) -> Leave:
    def make(render_id: str) -> Path:
        folder = tmp_path / "renders" / render_id
        folder.mkdir(parents=True)
        (folder / "00000001.checkpoint").write_text("x")
        return folder

    return make


def test_the_work_of_what_is_done_goes_and_what_may_go_on_stays(
    books: Ledger, leave: Leave, tmp_path: Path
) -> None:
    done, *others = [leave(f"{job}.0") for job in "abcd"]
    assert list(sweep_work(tmp_path, books, LONG_AGO)) == [done]
    assert all(folder.exists() for folder in others)


def test_what_failed_or_was_cancelled_long_ago_goes_too(
    books: Ledger, leave: Leave, tmp_path: Path
) -> None:
    folders = [leave(f"{job}.0") for job in "abcd"]
    in_a_while = datetime.now(UTC) + timedelta(days=1)
    assert list(sweep_work(tmp_path, books, in_a_while)) == folders[:3]
    assert folders[3].exists()


def test_what_this_ledger_does_not_know_stays_until_it_is_old(
    books: Ledger, leave: Leave, tmp_path: Path
) -> None:
    unknown = leave("of-another-ledger.0")
    assert list(sweep_work(tmp_path, books, LONG_AGO)) == []
    in_a_while = datetime.now(UTC) + timedelta(days=1)
    assert list(sweep_work(tmp_path, books, in_a_while)) == [unknown]


def test_a_new_state_folder_has_nothing_to_sweep(books: Ledger, tmp_path: Path) -> None:
    assert list(sweep_work(tmp_path, books, LONG_AGO)) == []
