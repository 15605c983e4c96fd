from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import DESK, PHONE, OpenPage
from tests.browser.painting import HOSTILE_FILES, LONG_FILE, LONG_NAME

from atelierd.ledger.folders import safe_folder


def line_at(page: Page) -> str:
    """Return where the slider's line is."""
    place: str = page.evaluate(
        "getComputedStyle(document.querySelector('.compare')).getPropertyValue('--at')"
    )
    return place


def test_content_and_result_are_compared_with_the_arrow_keys(
    open_page: OpenPage, base: str
) -> None:
    page = open_page(base, "evening/report.html")
    slider = page.get_by_role("slider")
    slider.focus()
    assert line_at(page) == "50%"
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert line_at(page) == "47%"
    page.keyboard.press("End")
    assert line_at(page) == "100%"


def test_the_line_follows_the_pointer(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "evening/report.html")
    box = page.get_by_role("slider").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    assert 20 <= float(line_at(page).rstrip("%")) <= 30


def test_both_sides_are_the_same_part_of_the_picture(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "evening/report.html")
    before, after = page.locator(".before"), page.locator(".after")
    assert before.bounding_box() == after.bounding_box()
    assert before.evaluate("image => image.naturalWidth") == 96
    assert after.evaluate("image => image.naturalHeight") == 72


def test_each_snapshot_can_be_compared(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "evening/report.html")
    shots = page.locator(".strip a")
    assert shots.all_inner_texts() == ["iteration 3", "iteration 6", "iteration 9", "result"]
    shots.nth(1).click()
    expect(shots.nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator(".compare .shown")).to_have_text("iteration 6")
    expect(page.locator(".after")).to_have_js_property("naturalWidth", 96)
    assert "snapshot-000006" in str(page.locator(".after").get_attribute("src"))
    full = page.get_by_role("link", name="Open the picture itself")
    assert str(full.get_attribute("href")).endswith("harbor-waves-0006.png")


def test_the_curve_is_told_in_numbers_and_read_out_where_one_points(
    open_page: OpenPage, base: str
) -> None:
    page = open_page(base, "evening/report.html")
    drawing = page.get_by_role("img", name="The objective went from")
    assert "over 2 scales" in str(drawing.get_attribute("aria-label"))
    drawing.hover(position={"x": 5, "y": 60})
    expect(page.locator(".reading")).to_contain_text("iteration 1:")
    page.get_by_text("The same in numbers").click()
    expect(page.locator(".objective tbody tr").last).to_be_visible()
    assert page.locator(".objective tbody tr").count() == 12


def test_every_setting_and_every_proof_is_told(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "evening/report.html")
    facts = page.locator(".facts")
    for words in ("content_weight", "channel_order", "evaluations", "threads", "vgg16", "fp32"):
        expect(facts).to_contain_text(words)
    for proof in page.locator(".facts code").all_inner_texts():
        assert len(proof) == 64
    assert page.locator(".facts code").count() == 4


def test_every_link_leads_somewhere(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "evening/report.html")
    links = [str(link.get_attribute("href")) for link in page.locator("main a").all()]
    assert "contact-sheet.jpg" in links
    assert "job.yaml" in links
    for link in links:
        if link.endswith((".jpg", ".png")):
            loads = page.evaluate(
                """link => new Promise(done => {
                    const image = new Image();
                    image.onload = () => done(true);
                    image.onerror = () => done(false);
                    image.src = link;
                })""",
                link,
            )
            assert loads, link
    page.get_by_role("link", name="All jobs").click()
    expect(page.locator("h1")).to_have_text("atelierd")


def test_a_matrix_is_a_table_of_pictures(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "wall/report.html")
    heads = ["waves.png", "dots.png", "waves.png + dots.png"]
    expect(page.get_by_role("columnheader")).to_have_text(heads)
    expect(page.get_by_role("rowheader")).to_have_text(["harbor.png", "waves.png"])
    page.get_by_role("link", name="waves.png in the style of dots.png").click()
    expect(page.locator("h1")).to_have_text("waves-dots")
    expect(page.locator(".after")).to_have_js_property("naturalWidth", 55)
    page.get_by_role("link", name="wall", exact=True).click()
    expect(page.locator("h1")).to_have_text("wall")


def test_a_blend_tells_the_shares(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "wall/report_files/0002-report.html")
    captions = page.locator(".source figcaption").all_inner_texts()
    assert captions == ["content harbor.png", "style 75 % waves.png", "style 25 % dots.png"]


def test_pictures_with_hostile_names_are_shown_and_named(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "index.html")
    page.locator("#gallery > li", has_text="{{ 7*7 }}").get_by_role("link").click()
    page.wait_for_load_state()  # a click waits for a page to begin, not for what is in it
    heads = page.get_by_role("rowheader").all_inner_texts()
    assert heads == [f"{name}.png" for name in HOSTILE_FILES[:2]]
    for image in page.locator("main img").all():
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0
    page.locator("td a").first.click()
    expect(page.locator(".after")).to_have_js_property("naturalWidth", 64)


def test_a_failed_job_says_why_and_what_to_do(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "thin/report.html")
    expect(page.locator(".failure")).to_contain_text("is too small for the network")
    expect(page.get_by_role("link", name="error.txt")).to_be_visible()
    page = open_page(base, "wrong/report.html")
    expect(page.locator(".failure")).to_contain_text("size: found -5")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_lies_over_anything_else(open_page: OpenPage, base: str, size: Any) -> None:
    for path in ("evening/report.html", "thin/report.html", "wall/report_files/0002-report.html"):
        page = open_page(base, path, size=size)
        for image in page.locator(".source img").all():
            expect(image).to_have_js_property("complete", True)
        boxes: list[list[float]] = page.evaluate(
            """() => [...document.querySelectorAll(
                ".pair, .source .frame, .source figcaption, .shots, .objective, .facts")]
                .map(one => one.getBoundingClientRect())
                .map(box => [box.left, box.top, box.right, box.bottom])"""
        )
        assert len(boxes) > 4
        for number, one in enumerate(boxes):
            for other in boxes[:number]:
                # Half a pixel is rounding.
                apart = (
                    one[0] >= other[2] - 0.5
                    or other[0] >= one[2] - 0.5
                    or one[1] >= other[3] - 0.5
                    or other[1] >= one[3] - 0.5
                )
                assert apart, (path, one, other)


def test_the_columns_of_a_matrix_are_of_one_width(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "wall/report.html")
    cells = page.locator("tbody tr").first.locator("td").all()
    boxes = [cell.bounding_box() for cell in cells]
    widths = [box["width"] for box in boxes if box is not None]
    assert len(widths) == 3
    assert max(widths) - min(widths) <= 1


def test_the_terms_are_told_beside_the_objective(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "evening/report.html")
    legend = page.get_by_role("list", name="Lines of the drawing")
    names = [name.strip() for name in legend.get_by_role("listitem").all_inner_texts()]
    assert names[0] == "objective"
    assert {"content", "style"} <= set(names[1:])
    assert "In the end it is content" in str(
        page.get_by_role("img", name="The objective went from").get_attribute("aria-label")
    )
    page.get_by_text("The same in numbers").click()
    heads = page.locator(".objective thead th").all_inner_texts()
    assert heads[:3] == ["iteration", "size", "objective"]
    assert heads[3 : 3 + len(names) - 1] == names[1:]
    cells = page.locator(".objective tbody tr").last.locator("td").all_inner_texts()
    assert all(cells), "every term of the last iteration has its number"


def test_a_name_of_two_hundred_characters_is_shown_whole(open_page: OpenPage, base: str) -> None:
    page = open_page(base, f"{safe_folder(LONG_NAME)}/report.html")
    assert len(LONG_FILE) == 200
    expect(page.locator(".source figcaption", has_text=f"{LONG_FILE}.png")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text(f"{LONG_FILE}.png")


def test_reports_fit_on_a_phone(open_page: OpenPage, base: str) -> None:
    long = f"{safe_folder(LONG_NAME)}/report.html"
    pages = ("evening/report.html", "wall/report.html", "wall/report_files/0002-report.html", long)
    for path in pages:
        page = open_page(base, path, size=PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def test_without_a_script_both_pictures_stand_side_by_side(open_page: OpenPage, base: str) -> None:
    page = open_page(base, "evening/report.html", scripted=False)
    before, after = page.locator(".before").bounding_box(), page.locator(".after").bounding_box()
    assert before is not None
    assert after is not None
    assert before["x"] + before["width"] <= after["x"]
