from __future__ import annotations

from atelierd.cli.reference import command_table, exit_table
from atelierd.exits import Exit


def test_every_command_is_listed_with_how_it_is_called() -> None:
    table = command_table()
    for call in (
        "atelierd init DIR",
        "atelierd show JOB",
        "atelierd weights check FILE",
        "atelierd render CONTENT STYLE --output DIR",
    ):
        assert f"| `{call}` |" in table
    rows = [row for row in table.splitlines()[2:] if "| yes |" in row]
    with_json = {row.split("`")[1].removeprefix("atelierd ").split(" JOB")[0] for row in rows}
    assert {"status", "jobs", "show", "check", "doctor [DIR]", "weights check FILE"} <= with_json


def test_a_bar_in_a_call_makes_no_cell() -> None:
    assert r"| `atelierd backup FILE\|DIR` |" in command_table()


def test_every_exit_code_is_listed() -> None:
    assert exit_table().count("\n") == len(Exit) + 2
    assert "| 75 | share, disk or schedule kept work from being done" in exit_table()
