import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelierd.jobs.ignored import is_ignored
from atelierd.jobs.listing import folded
from atelierd.jobs.titles import LONGEST_TITLE, file_safe, unique


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("skyline", "skyline"),
        ("Grüne Nacht (2)", "Grüne Nacht (2)"),
        ("a/b\\c:d", "a_b_c_d"),
        ("..", "_"),
        (".hidden", "_hidden"),
        ("~lock", "_lock"),
        ("-rf", "_rf"),
        ("con", "_con"),
        ("NUL.tar", "_NUL.tar"),
        ("name. ", "name"),
        ("a\nb\x1b", "a_b_"),
        ("a\u202eb", "a_b"),
        ("", "_"),
        ("é" * 100, "é" * 60),
    ],
)
def test_a_title_is_a_file_name_on_every_system(text: str, name: str) -> None:
    assert file_safe(text) == name


@given(st.text())
def test_whatever_the_text_is_the_title_can_be_a_file(text: str) -> None:
    title = file_safe(text)
    assert 0 < len(title.encode()) <= LONGEST_TITLE
    assert title == title.strip()
    assert title.isprintable()
    assert not is_ignored(title)
    assert not set(title) & set('<>:"/\\|?*')


@given(st.lists(st.sampled_from(["a", "A", "a-2", "b"]), max_size=12))
def test_titles_are_told_apart_even_where_case_is_not(titles: list[str]) -> None:
    result = unique(titles)
    assert len({folded(title) for title in result}) == len(titles)
    assert all(new.startswith(old) for new, old in zip(result, titles, strict=True))


def test_the_first_of_its_name_keeps_it() -> None:
    assert unique(["a", "A", "a"]) == ["a", "A-2", "a-3"]
