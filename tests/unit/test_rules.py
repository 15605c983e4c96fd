"""Every rule for a watched folder that loses nothing has a test that names its number."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCUMENT = TESTS.parent / "docs" / "rules.md"
RULES = 23


def test_each_rule_is_named_by_a_test() -> None:
    named = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for number in re.findall(r"\bdef test_rule_(\d+)_", path.read_text(encoding="utf-8"))
    }
    assert named >= set(range(1, RULES + 1))
    assert max(named) <= RULES


def test_each_rule_is_written_down_under_its_number() -> None:
    numbers = re.findall(r"^(\d+)\. ", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, RULES + 1))
