"""The plan that a render was begun with wins over what would be planned now, while it fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.render.models import BASE, cost, planner

from atelierd.errors import JobFault
from atelierd.render.chosen import begun_precision, choose, note_out_of_memory
from atelierd.render.plan import make_plan

COURSE = make_plan((1000, 1000), 10, 1, 1, "fp32")
PIXELS = 1_000_000
#: Enough for a whole picture, for a recomputed one, and for tiles.
AMPLE, SOME, LITTLE = (BASE + per_pixel * PIXELS for per_pixel in (4000, 2000, 800))


def chosen(work: Path, available: int, said: list[str] | None = None) -> str:
    say = (said if said is not None else []).append
    plan = choose(work, planner(), COURSE, available, say).plan
    return plan.phases[-1].execution.method


def test_rule_15_a_render_goes_on_as_it_began_however_much_memory_is_free_now(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    assert chosen(tmp_path / "a", SOME) == "recompute"
    assert chosen(tmp_path / "a", AMPLE, said) == "recompute"
    assert chosen(tmp_path / "b", AMPLE) == "whole"
    assert said == []


def test_what_does_not_fit_any_more_is_planned_anew(tmp_path: Path) -> None:
    said: list[str] = []
    assert chosen(tmp_path, AMPLE) == "whole"
    assert chosen(tmp_path, SOME, said) == "recompute"
    assert "planned anew" in said[0]
    assert chosen(tmp_path, AMPLE) == "recompute", "it stays with that"


def test_rule_17_every_attempt_after_running_out_of_memory_takes_less(tmp_path: Path) -> None:
    ways, needed = [], []
    for _ in range(8):
        forecast = choose(tmp_path, planner(), COURSE, AMPLE, lambda _: None)
        ways.append(forecast.plan.phases[-1].execution)
        needed.append(forecast.bytes)
        note_out_of_memory(tmp_path)
    assert [way.method for way in ways[:3]] == ["whole", "recompute", "tiled"]
    assert needed[:4] == sorted(needed[:4], reverse=True) and len(set(needed[:4])) == 4
    sides = [way.tile for way in ways[2:]]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] == 64, "the smallest there is, again and again"


def test_noting_it_twice_is_noting_it_once(tmp_path: Path) -> None:
    chosen(tmp_path, AMPLE)
    note_out_of_memory(tmp_path)
    note_out_of_memory(tmp_path)
    assert chosen(tmp_path, AMPLE) == "recompute"


def test_running_out_before_anything_was_planned_changes_nothing(tmp_path: Path) -> None:
    note_out_of_memory(tmp_path)
    note_out_of_memory(tmp_path / "gone")
    assert chosen(tmp_path, AMPLE) == "whole"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"course": 1, "executions": 2}', "null"])
def test_damaged_notes_count_as_none(tmp_path: Path, text: str) -> None:
    for name in ("plan.json", "ran-out.json"):
        (tmp_path / name).write_text(text)
    note_out_of_memory(tmp_path)
    assert chosen(tmp_path, AMPLE) == "whole"


def test_the_plan_of_another_course_counts_for_nothing(tmp_path: Path) -> None:
    chosen(tmp_path, SOME)
    other = make_plan((1000, 1000), 20, 1, 1, "fp32")
    found = choose(tmp_path, planner(), other, AMPLE, lambda _: None)
    assert found.plan.phases[-1].execution.method == "whole"


def test_a_way_that_the_engine_does_not_know_is_planned_anew(tmp_path: Path) -> None:
    chosen(tmp_path, SOME)
    only_whole = planner(costs={"fp32": {"whole": cost(3000.0, 1e-6)}})
    found = choose(tmp_path, only_whole, COURSE, AMPLE, lambda _: None)
    assert found.plan.phases[-1].execution.method == "whole"


def test_what_cannot_fit_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(JobFault, match="the largest that fits"):
        chosen(tmp_path / "work", BASE + 100 * PIXELS)
    assert not (tmp_path / "work").exists()


def test_the_precision_that_a_render_was_begun_in_is_known(tmp_path: Path) -> None:
    assert begun_precision(tmp_path) is None
    chosen(tmp_path / "a", AMPLE)
    assert begun_precision(tmp_path / "a") == "fp32"
    fast = make_plan((1000, 1000), 10, 1, 1, "bf16")
    choose(tmp_path / "b", planner(), fast, AMPLE, lambda _: None)
    assert begun_precision(tmp_path / "b") == "bf16", "not what it ends in"
    (tmp_path / "b" / "plan.json").write_text("[]")
    assert begun_precision(tmp_path / "b") is None
