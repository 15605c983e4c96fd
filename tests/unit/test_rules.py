"""Every rule for a watched folder that loses nothing has a test that names its number."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
RULES = 23


def test_each_rule_is_named_by_a_test() -> None:
    named = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for number in re.findall(r"\bdef test_rule_(\d+)_", path.read_text(encoding="utf-8"))
    }
    assert named >= set(range(1, RULES + 1))
    assert max(named) <= RULES
