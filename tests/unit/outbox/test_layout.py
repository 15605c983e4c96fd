from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from atelierd.outbox.layout import result_name, snapshot_name

TITLES = st.from_regex(r"(a|b|-0040|-00400|-result|-7){1,5}", fullmatch=True)


def test_pictures_are_named_after_the_render_and_sort_by_iteration() -> None:
    assert result_name("skyline", "png") == "skyline.png"
    assert snapshot_name("skyline", 40, "png") == "skyline-0040.png"
    assert snapshot_name("skyline", 12000, "tiff") == "skyline-12000.tiff"


@given(TITLES, TITLES, st.sampled_from([40, 400]))
def test_no_result_is_named_like_a_snapshot(one: str, other: str, iteration: int) -> None:
    assert result_name(one, "png") != snapshot_name(other, iteration, "png")


@given(TITLES, TITLES)
def test_results_of_different_titles_have_different_names(one: str, other: str) -> None:
    assert (result_name(one, "png") == result_name(other, "png")) == (one == other)


def test_no_result_is_named_like_the_contact_sheet() -> None:
    assert result_name("contact-sheet", "jpg") == "contact-sheet-result.jpg"
    assert result_name("Contact-Sheet", "jpg") == "Contact-Sheet-result.jpg"
    assert result_name("contact-sheet", "png") == "contact-sheet.png"
