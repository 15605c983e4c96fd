from __future__ import annotations

from atelierd.configreference import settings_table

ROWS = {row.split("`")[1]: row for row in settings_table().splitlines()[2:]}


def test_every_key_has_four_cells_and_a_meaning() -> None:
    for key, row in ROWS.items():
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4, key
        assert cells[1] and cells[1] != "something else", key
        assert cells[3] not in ("", "None"), f"{key}: write what it means below it, as a docstring"


def test_values_are_told_as_people_write_them() -> None:
    for key, default in {
        "share: settle": "2 s",
        "share: missing_timeout": "1 h",
        "share: free_space": "200 MiB",
        "work: hang_after": "15 min",
        "work: keep_inputs": "14 d",
        "morning_report": "07:00",
        "max_pixels": "100,000,000",
        "notify: email: server": "needed",
        "notify: webhooks: - events": "all",
        "work: threads": "",
    }.items():
        assert f"| {default} |" in ROWS[key], key


def test_what_a_key_may_be_is_in_words() -> None:
    assert "a time from 100 ms to 1 h" in ROWS["share: scan_interval"]
    assert "a path" in ROWS["inbox"]
    assert "an http or https URL" in ROWS["notify: webhooks: - url"]
    assert "done, failed, late, empty, offline, back or report" in ROWS["notify: email: events"]
