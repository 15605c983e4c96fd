from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page
from tests.browser.conftest import DESK, PHONE, OpenPage, Scheme

PAGES = (
    "index.html",
    "evening/report.html",
    "wall/report.html",
    "wall/report_files/0002-report.html",
    "thin/report.html",
    "wrong/report.html",
)


def violations(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds, a line for each element."""
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {rule['help']}: {node['html']}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESK), ("dark", DESK), ("light", PHONE)], ids=str
)
def test_nothing_keeps_anybody_out(
    open_page: OpenPage, outbox: Any, axe: str, path: str, scheme: Scheme, size: Any
) -> None:
    page = open_page(outbox.as_uri(), path, scheme=scheme, size=size)
    assert violations(page, axe) == []


@pytest.mark.parametrize("path", PAGES)
def test_whatever_has_the_focus_can_be_seen(open_page: OpenPage, outbox: Any, path: str) -> None:
    page = open_page(outbox.as_uri(), path)
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const element = document.activeElement;
                if (element === document.body) return null;
                const marked = [element, element.nextElementSibling, element.closest("article"),
                    element.closest(".pair"), element.closest("article")?.querySelector(".frame")];
                const outlined = marked.some(
                    one => one && getComputedStyle(one).outlineStyle === "solid");
                const box = element.getBoundingClientRect();
                return [element.outerHTML.slice(0, 200), outlined, box.width * box.height > 0];
            }"""
        )
        if focus is None:
            break
        assert focus[1:] == [True, True], focus[0]
        seen.add(focus[0])
    assert len(seen) > 1
