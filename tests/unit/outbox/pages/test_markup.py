from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from atelierd.outbox.pages.markup import data_script, page, url

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_data_cannot_leave_their_script(text: str) -> None:
    script = data_script("update", {"name": text}).decode("ascii")
    assert script.startswith("atelierd.update(")
    assert script.count("\n") == 1
    assert not set(script) & set("<>&")
    assert json.loads(script.removeprefix("atelierd.update(").removesuffix(");\n"))["name"] == text


@given(TEXT)
def test_a_link_is_a_path_and_nothing_else(text: str) -> None:
    link = url(text)
    assert re.fullmatch(r"[A-Za-z0-9_.\-~/%]*", link)
    assert unquote(link) == text


def test_no_name_makes_a_link_to_elsewhere() -> None:
    assert url("javascript:alert(1)") == "javascript%3Aalert%281%29"
    assert url("a b/#50%?.png") == "a%20b/%2350%25%3F.png"


def test_a_page_lets_run_its_own_style_and_script_only() -> None:
    html = page(
        "report.html", ("base", "report"), ("common", "report"), heading="x", crumbs=(), live="",
        body="", job_id="a1", source="x",
    ).decode()  # fmt: skip
    policy = unescape(
        re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)[0]
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_page_names_no_other_machine() -> None:
    html = page(
        "report.html", ("base", "report"), ("common", "report"), heading="x", crumbs=(), live="",
        body="", job_id="a1", source="x",
    ).decode()  # fmt: skip
    assert re.findall(r"(?:https?:)?//[a-z]", html.replace("//www.w3.org/2000/svg", "")) == []
