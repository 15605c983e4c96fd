from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from atelierd.errors import ConfigError
from atelierd.settings import Settings, read_settings

BERLIN = ZoneInfo("Europe/Berlin")


def read(folder: Path, text: str) -> Settings:
    path = folder / "atelierd.yaml"
    path.write_text(f"inbox: in\noutbox: out\nstate: state\n{text}")
    return read_settings(path)


def test_left_out_it_is_always_open(tmp_path: Path) -> None:
    schedule = read(tmp_path, "").schedule
    assert schedule.timetable.whole.is_always and schedule.previews == "off"


def test_windows_are_lines_or_lists_of_lines(tmp_path: Path) -> None:
    timetable = read(
        tmp_path,
        """
schedule:
  time_zone: Europe/Berlin
  windows:
    night: 22:00-06:00
    weekend: [fri 20:00-24:00, sat sun]
  previews: first
""",
    ).schedule.timetable
    assert set(timetable.windows) == {"night", "weekend"}
    assert timetable.zone == BERLIN
    noon = datetime(2026, 11, 25, 12, tzinfo=BERLIN)
    assert timetable.asked("night").opens(noon) == datetime(2026, 11, 25, 22, tzinfo=BERLIN)
    assert timetable.asked("weekend").opens(noon) == datetime(2026, 11, 27, 20, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  time_zone: Europe/Berln", "line 5, schedule > time_zone: found 'Europe/Berln'; exp"),
        ("  time_zone: ../../etc/passwd", "line 5, schedule > time_zone: found '../../etc/pa"),
        ("  windows: {night: 22:00}", "line 5, schedule > windows > night: found '22:00'; expec"),
        ("  windows: {night: 22}", "line 5, schedule > windows > night: found '22'; expec"),
        ("  windows: {sat: 22:00-06:00}", "'sat' means hours itself"),
        ("  windows: {night: []}", "found a list of 0"),
        ("  windows: {'a b': sat}", "line 5, schedule > windows"),
        ("  windows: 22:00-06:00", "line 5, schedule > windows: found '22:00-06:00'; expected na"),
        ("  previews: last", "line 5, schedule > previews: found 'last'; expected first or off"),
        ("  window: {night: sat}", "line 5, schedule > window: unknown key; did you mean windows?"),
    ],
)
def test_nonsense_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"schedule:\n{text}\n")
    assert words in str(caught.value)
