"""What the soak makes of its measurements: it has to notice a leak, and not see one in a ripple."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import psutil
import pytest
from tests.soak.samples import Rest, Sample, complaints, descriptors, take

MB = 1_000_000


def sample(second: float, memory: float = 80, files: int = 30, threads: int = 11) -> Sample:
    size = round(memory * MB)
    return Sample(second, size, size, size, files, threads, 1)


def rest(second: float, memory: float = 80, files: int = 30, threads: int = 11) -> Rest:
    return Rest(tuple(sample(second + one, memory, files, threads) for one in range(3)), {})


RESTS = [rest(second) for second in (100, 700, 1300, 1900)]


def test_a_flat_daemon_has_nothing_to_be_said_against_it() -> None:
    samples = [sample(second, 80 + second % 3, 30 + second % 5) for second in range(0, 2000, 5)]
    assert complaints(samples, RESTS, 600) == []


def test_what_grows_before_the_warm_up_is_over_does_not_count() -> None:
    samples = [sample(second, min(80, 20 + second / 10)) for second in range(0, 2000, 5)]
    assert complaints(samples, RESTS, 600) == []


def test_memory_that_grows_is_noticed_even_if_it_shrinks_in_the_end() -> None:
    samples = [sample(second, 80) for second in range(0, 1500, 5)]
    samples += [sample(second, 90) for second in range(1500, 1600, 5)]
    samples += [sample(second, 80) for second in range(1600, 2000, 5)]
    found = complaints(samples, RESTS, 600)
    assert found == [f"{what} has grown by 12.5% after the warm-up" for what in ("rss", "uss")]


def test_a_single_sample_in_the_midst_of_something_is_no_growth() -> None:
    samples = [sample(second, 120 if second == 1000 else 80) for second in range(0, 2000, 5)]
    assert complaints(samples, RESTS, 600) == []


def test_one_descriptor_or_thread_more_at_rest_is_noticed() -> None:
    samples = [sample(second) for second in range(0, 2000, 5)]
    rests = [*RESTS[:3], rest(1900, files=31, threads=12)]
    assert complaints(samples, rests, 600) == [
        "1 descriptors more at the rest of minute 32",
        "1 threads more at the rest of minute 32",
    ]


@pytest.mark.parametrize(("leaked", "found"), [(0, 0), (1, 1)])
def test_what_sqlite_keeps_of_a_closed_connection_is_no_leak_but_an_open_connection_is(
    tmp_path: Path, leaked: int, found: int
) -> None:
    ledger = tmp_path / "ledger.sqlite"
    with contextlib.closing(sqlite3.connect(ledger, isolation_level=None)) as first:
        first.execute("PRAGMA journal_mode = wal")
        first.execute("CREATE TABLE jobs (id)")
        before = Rest((take(psutil.Process(), 700, 0),), descriptors(os.getpid()))
        others = [sqlite3.connect(ledger) for _ in range(2)]
        for one in others:
            one.execute("SELECT * FROM jobs").fetchall()
        for one in others[leaked:]:
            one.close()
        after = Rest((take(psutil.Process(), 1300, 0),), descriptors(os.getpid()))
        assert after.samples[0].descriptors > before.samples[0].descriptors
        assert after.least("descriptors") - before.least("descriptors") == 2 * found
        for one in others[:leaked]:
            one.close()


def test_a_soak_that_compares_nothing_does_not_pass() -> None:
    assert complaints([sample(700)], RESTS[:1], 600) == [
        "only 0 rests after the warm-up: nothing can be compared"
    ]
    with pytest.raises(ValueError, match="no sample"):
        complaints([sample(5)], RESTS, 600)


def test_a_process_is_measured() -> None:
    before = take(psutil.Process(), 1.0, workers=0)
    reading, writing = os.pipe()
    try:
        after = take(psutil.Process(), 2.0, workers=0)
        assert after.descriptors == before.descriptors + 2
        assert descriptors(os.getpid())["pipe"] >= 2
        assert after.rss >= after.pss >= after.uss > MB
    finally:
        os.close(reading)
        os.close(writing)
