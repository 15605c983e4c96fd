"""Templates, and what is put around them so that nothing from outside becomes markup or script."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from importlib import resources
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from atelierd.outbox.pages import text

_PACKAGE = "atelierd.outbox.pages"
#: What every page begins with; `served` puts a word into it.
_HEAD = b'<!doctype html>\n<html lang="en" class="plain"'
#: The style sheets and the scripts of each kind of page.
INDEX_ASSETS = ("base", "index"), ("common", "index")
REPORT_ASSETS = ("base", "report"), ("common", "report")
MORNING_ASSETS = ("base", "index", "morning"), ("common",)
_KNOWN_ASSETS = (INDEX_ASSETS, REPORT_ASSETS, MORNING_ASSETS)


@functools.cache
def environment() -> Environment:
    """Return the templates, with everything escaped and unknown names refused."""
    made = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "url": url,
        "visible": text.visible,
        "lines": text.lines,
        "duration": text.duration,
        "time_left": text.time_left,
        "number": text.number,
        "size_of": text.size_of,
        "moment": text.moment,
        "iso": text.iso,
        "several": text.several,
    }
    return made


def fragment(template: str, **values: Any) -> str:
    """Return one template with `values` in it."""
    return environment().get_template(template).render(**values)


def page(template: str, styles: tuple[str, ...], scripts: tuple[str, ...], **values: Any) -> bytes:
    """Return a whole page in UTF-8, with the style sheets and scripts of these names inside."""
    if (styles, scripts) not in _KNOWN_ASSETS:
        raise ValueError(f"{styles}, {scripts}: name them above, or a server lets them not run")
    style, script = _asset(styles, "css"), _asset(scripts, "js")
    policy = (
        "default-src 'none'; img-src 'self' data:; "
        f"style-src '{_hash(style)}'; script-src 'self' '{_hash(script)}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    html = fragment(template, style=style, script=script, policy=policy, **values)
    return html.encode(errors="replace")


def asset_hashes() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the hashes of all pages' style sheets and scripts, as a policy names them."""
    return (
        tuple(_hash(_asset(styles, "css")) for styles, _ in _KNOWN_ASSETS),
        tuple(_hash(_asset(scripts, "js")) for _, scripts in _KNOWN_ASSETS),
    )


def served(html: bytes) -> bytes:
    """Return a page of atelierd's with the word in it that it comes from a live server.

    A page cannot find that out by asking: where nobody answers, a browser complains.
    """
    if not html.startswith(_HEAD):
        return html
    return _HEAD + b' data-served="live"' + html[len(_HEAD) :]


def data_script(function: str, value: Any) -> bytes:
    """Return a script that calls the page's `function` with `value`: ASCII, with no markup in it.

    A page opened from a disk may load a script from beside it, but no JSON.
    """
    literal = json.dumps(value, separators=(",", ":"))
    for character in "<>&":
        literal = literal.replace(character, f"\\u{ord(character):04x}")
    return f"atelierd.{function}({literal});\n".encode()


def url(path: str) -> str:
    """Return a relative path as a link: no character of it means anything but itself."""
    return quote(path, errors="replace")


@functools.cache
def _asset(names: tuple[str, ...], kind: str) -> Markup:
    """Return the styles, or the scripts, of the given names, one after the other."""
    folder = resources.files(_PACKAGE) / "templates"
    parts = [(folder / f"{name}.{kind}").read_text(encoding="utf-8") for name in names]
    return Markup("".join(parts))


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
