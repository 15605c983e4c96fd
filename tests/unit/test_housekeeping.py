import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atelierd import housekeeping
from atelierd.housekeeping import EVERY, GIVE_BACK_EVERY, Housekeeping
from atelierd.jobs.frozen import job_file_path
from atelierd.ledger import Ledger
from atelierd.ledger.rows import NewJob, NewRender
from atelierd.outbox.retention import Retention
from atelierd.settings import RetentionSettings
from atelierd.share import init_share

NOW = datetime.now(UTC)
KEEP = timedelta(days=14)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    (tmp_path / "state").mkdir()
    ledger = Ledger.open(tmp_path / "state" / "ledger.sqlite")
    yield ledger
    ledger.close()


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger, clock: Clock) -> Housekeeping:
    init_share(tmp_path / "share")
    share, state = tmp_path / "share", tmp_path / "state"
    retention = Retention(share / "outbox", state, RetentionSettings(), ledger)
    return Housekeeping(share / "inbox", share / "outbox", state, KEEP, ledger, retention, clock)


def put(path: Path, age: timedelta) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    moment = (NOW - age).timestamp()
    os.utime(path, (moment, moment))
    return path


def test_rule_23_old_temporary_files_go_wherever_we_write(
    house: Housekeeping, tmp_path: Path
) -> None:
    places = ["share/inbox", "share/outbox", "share/outbox/a", "share/outbox/a/report_files"]
    places += ["state", "state/inputs", "state/jobs/a", "state/renders/a.0"]
    places += ["state/renders/a.0/previews"]
    old = [put(tmp_path / place / ".atelierd-tmp-01-x", timedelta(days=2)) for place in places]
    new = [put(tmp_path / place / ".atelierd-tmp-02-x", timedelta(0)) for place in places]
    foreign = [put(tmp_path / place / ".tmp-x", timedelta(days=99)) for place in places]
    house.turn(NOW)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in new + foreign)


def test_copies_of_job_files_go_when_their_jobs_have_long_been_done(
    house: Housekeeping, ledger: Ledger, tmp_path: Path
) -> None:
    for job_id in "ab":
        render = NewRender("picture", "{}", 10)
        ledger.add_job(NewJob(job_id, job_id, f"{job_id}.yaml", NOW, "", renders=(render,)))
        put(job_file_path(house.state, job_id), timedelta(0))
        put(job_file_path(house.state, job_id).with_name("shown"), timedelta(0))
    ledger.finish_render("a.0")
    ledger.fail_render("b.0", "for a reason")
    house.turn(NOW)
    assert job_file_path(house.state, "a").exists()
    later = replace(house, _next=float("-inf"))
    later.turn(NOW + KEEP + timedelta(days=1))
    assert not job_file_path(house.state, "a").parent.exists()
    assert job_file_path(house.state, "b").exists()


def test_a_round_is_made_in_pieces_and_the_next_one_comes_later(
    house: Housekeeping, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0

    def slow(wall: datetime) -> Iterator[None]:
        nonlocal steps
        for _ in range(5):
            steps += 1
            clock.now += 1
            yield

    monkeypatch.setattr(house, "_steps", slow)
    house.turn(NOW)
    assert steps == 1
    for _ in range(10):
        house.turn(NOW)
    assert steps == 5
    clock.now += EVERY.total_seconds()
    house.turn(NOW)
    assert steps == 6


def test_a_share_that_is_gone_puts_it_off(
    house: Housekeeping, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "share").rename(tmp_path / "away")
    house.turn(NOW)
    assert "housekeeping is put off" in caplog.text


def test_freed_memory_is_given_back_now_and_then(
    house: Housekeeping, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    monkeypatch.setattr(housekeeping, "give_back_freed_memory", lambda: given.append(clock.now))
    for _ in range(7):
        house.turn(NOW)
        clock.now += GIVE_BACK_EVERY.total_seconds() / 2
    assert given == [GIVE_BACK_EVERY.total_seconds() * minute for minute in range(4)]
