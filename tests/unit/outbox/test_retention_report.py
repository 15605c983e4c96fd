"""What was taken away is told by one morning report, and by no other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.unit.outbox.test_retention import DAY, NOW, Office

from atelierd.outbox.retention import Retention, removed_between
from atelierd.settings import RetentionSettings


def test_a_folder_that_goes_in_a_long_round_stands_in_the_report_of_its_own_day(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    office.job("a")
    later = NOW + timedelta(hours=1)
    week = RetentionSettings(keep_days=7)
    retention = Retention(office.outbox, office.state, week, office.ledger, lambda: later)
    for _ in retention.steps(NOW):
        pass
    assert removed_between(office.state, NOW, later) == [], "its report is written by now"
    assert removed_between(office.state, later, later + DAY) == ["a"]
    office.ledger.close()
