from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.painting import HOSTILE_NAME, LONG_FILE, LONG_NAME

SHOWN = "#gallery > li:visible"


def names(page: Page) -> set[str]:
    # Not `inner_text`: what is far below the window is not laid out, and has none.
    return {text.strip() for text in page.locator(f"{SHOWN} h3").all_text_contents()}


def test_the_page_opens_with_every_finished_job(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html")
    expect(page.locator(SHOWN)).to_have_count(6)
    assert {"evening", "wall", "thin", "wrong"} <= names(page)
    expect(page.locator("#status")).to_contain_text("The daemon is stopped")


def test_every_picture_is_there(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html")
    for image in page.locator("#gallery img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0
    # Four of the wall and of the hostile matrix, one of each of the other two; none of the rest.
    assert page.locator("#gallery img").count() == 10


def test_words_are_looked_for_in_name_content_and_style(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html")
    words = page.get_by_role("searchbox")
    for typed, found in {
        "EVENING": {"evening"},
        "harbor dots": {"wall"},
        "harbor": {"evening", "wall"},
        "ünïcode 🌃": {LONG_NAME.strip()},
        LONG_FILE: {LONG_NAME.strip()},
    }.items():
        words.fill(typed)
        assert names(page) >= found, typed
    words.fill("no job has these words")
    expect(page.locator(SHOWN)).to_have_count(0)
    expect(page.locator("#found")).to_have_text("No job fits these words and this state.")
    words.press("Escape")
    expect(page.locator(SHOWN)).to_have_count(6)


def test_states_are_chosen_with_the_keyboard_alone(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Done")).to_be_checked()
    expect(page.locator(SHOWN)).to_have_count(4)
    page.keyboard.press("ArrowRight")
    assert names(page) == {"thin", "wrong"}
    expect(page.locator("#found")).to_have_text("2 of 6 jobs")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("thin")


def test_the_keyboard_reaches_the_pictures_without_passing_all_the_rest(
    open_page: OpenPage, base: str
) -> None:
    page = open_page(base, "index.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the finished pictures")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#finished")).to_be_focused()


def test_a_failure_tells_its_reason(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html")
    thin = page.locator("#gallery > li", has_text="thin").first
    expect(thin).to_contain_text("is too small for the network")
    wrong = page.locator("#gallery > li", has_text="wrong.yaml").first
    expect(wrong).to_contain_text("size: found -5")


def test_names_that_want_to_be_markup_are_text(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html")
    shown = HOSTILE_NAME.replace("\u202e", "\\u202e")
    card = page.locator("#gallery > li", has_text=shown)
    expect(card).to_have_count(1)
    card.get_by_role("link").click()
    expect(page.locator("h1")).to_have_text(shown)
    page.wait_for_load_state()  # the script stands at the page's end
    assert page.locator("script").count() == 1


def test_times_are_those_of_the_reader(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html")
    for time in page.locator("#gallery time").all():
        assert "UTC" not in time.inner_text()


def test_nothing_has_to_be_scrolled_sideways_on_a_phone(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html", size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator(SHOWN).first.bounding_box() is not None


def test_without_a_script_the_page_still_shows_everything(
    open_page: OpenPage, outbox: Path
) -> None:
    page = open_page(outbox.as_uri(), "index.html", scripted=False)
    assert page.locator(SHOWN).count() == 6
    assert page.get_by_role("searchbox").count() == 0
    assert "UTC" in page.locator("#gallery time").first.inner_text()
