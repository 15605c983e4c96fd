from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelierd.ledger.folders import MAX_BYTES, MAX_CHARACTERS, folder_key, numbered, safe_folder


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("skyline", "skyline"),
        ("  Night sky, no. 2  ", "Night sky, no. 2"),
        ('a<b>c:d"e/f\\g|h?i*j', "a-b-c-d-e-f-g-h-i-j"),
        ("trailing. . .", "trailing"),
        ("../../etc/passwd", "etc-passwd"),
        ("--help", "help"),
        ("- -", "job"),
        (".hidden", "hidden"),
        ("~lock", "lock"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1", "_com1"),
        ("console", "console"),
        ("two\nlines\tand\x00nul", "two-lines-and-nul"),
        ("", "job"),
        ("...", "job"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("gpj.\u202eerutcip", "gpj.-erutcip"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
    ],
)
def test_a_folder_name_is_what_was_written_as_far_as_every_client_can_hold_it(
    name: str, folder: str
) -> None:
    assert safe_folder(name) == folder


def test_a_long_name_is_cut() -> None:
    assert safe_folder("x" * 200) == "x" * MAX_CHARACTERS


@given(st.text(max_size=300))
def test_any_name_becomes_a_folder_name_that_every_client_accepts(name: str) -> None:
    folder = safe_folder(name)
    assert 0 < len(folder) <= MAX_CHARACTERS + 1
    assert len(folder.encode()) <= MAX_BYTES + 1
    assert not set(folder) & set('<>:"/\\|?*')
    assert all(unicodedata.category(c) not in ("Cc", "Cs") for c in folder)
    assert folder == unicodedata.normalize("NFC", folder)
    assert folder[0] not in "-. ~"
    assert folder[-1] not in ". "
    assert safe_folder(folder) == folder


@given(st.text(max_size=30))
def test_names_that_differ_only_in_case_or_composition_share_a_key(name: str) -> None:
    assert folder_key(unicodedata.normalize("NFD", name)) == folder_key(name)
    assert folder_key(folder_key(name)) == folder_key(name)


def test_the_second_folder_of_a_name_is_number_two() -> None:
    assert [numbered("sky", number) for number in (1, 2, 3)] == ["sky", "sky-2", "sky-3"]
