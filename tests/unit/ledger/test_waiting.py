from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from atelierd.errors import WorldFault
from atelierd.ledger import Ledger
from atelierd.ledger.rows import RunnableRender
from atelierd.ledger.waiting import WaitingJobs


def row(sequence: int, index: int = 0) -> RunnableRender:
    return RunnableRender(f"j{sequence}.{index}", f"j{sequence}", index, sequence, 0, "a.yaml", 0)


class Disk:
    """What the ledger would answer, and what it was asked."""

    def __init__(self) -> None:
        self.rows = {f"j{n}": row(n) for n in range(1, 4)}
        self.asked: list[list[str]] = []
        self.fails = False
        self.waiting = WaitingJobs(self.some)

    def some(self, job_ids: Collection[str]) -> list[RunnableRender]:
        self.asked.append(sorted(job_ids))
        if self.fails:
            raise WorldFault("the disk is full")
        return [self.rows[one] for one in job_ids if one in self.rows]

    def everything(self) -> list[RunnableRender]:
        self.asked.append(["all"])
        if self.fails:
            raise WorldFault("the disk is full")
        return list(self.rows.values())

    def found(self) -> list[str]:
        return [one.render_id for one in self.waiting.all(self.everything)]


def test_all_are_asked_for_once_and_then_those_that_were_touched() -> None:
    disk = Disk()
    assert disk.found() == ["j1.0", "j2.0", "j3.0"]
    assert disk.waiting.all(disk.everything) is disk.waiting.all(disk.everything)
    del disk.rows["j1"]
    disk.rows |= {"j2": row(2, 5), "j9": row(9)}
    assert disk.found() == ["j1.0", "j2.0", "j3.0"], "nobody has said so"
    for job_id in ("j9", "j2", "j1"):
        disk.waiting.touch(job_id)
    assert disk.found() == ["j2.5", "j3.0", "j9.0"]
    assert disk.asked == [["all"], ["j1", "j2", "j9"]]


@pytest.mark.parametrize("known", [False, True])
def test_what_could_not_be_asked_for_is_asked_for_again(known: bool) -> None:
    disk = Disk()
    if known:
        disk.found()
    del disk.rows["j1"]
    disk.waiting.touch("j1")
    disk.fails = True
    with pytest.raises(WorldFault):
        disk.found()
    disk.fails = False
    assert disk.found() == ["j2.0", "j3.0"]


def test_many_are_asked_for_in_portions() -> None:
    disk = Disk()
    disk.found()
    disk.rows = {f"j{n}": row(n) for n in range(1, 1234)}
    for job_id in disk.rows:
        disk.waiting.touch(job_id)
    assert len(disk.found()) == 1233
    assert [len(asked) for asked in disk.asked[1:]] == [500, 500, 233]


def test_who_only_reads_sees_what_the_daemon_has_changed_meanwhile(
    ledger: Ledger, new_job: object, tmp_path: Path
) -> None:
    assert callable(new_job)
    ledger.add_job(new_job("a1"))
    reader = Ledger.open(ledger._path, read_only=True)
    try:
        assert [one.job_id for one in reader.runnable()] == ["a1"]
        ledger.add_job(new_job("a2"))
        ledger.hold_job("a1")
        assert [one.job_id for one in reader.runnable()] == ["a2"]
        assert [one.job_id for one in ledger.runnable()] == ["a2"]
    finally:
        reader.close()
