"""README and docs/ say what the program says, and their links lead somewhere."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from atelierd.cli.app import app
from atelierd.events import Event
from atelierd.ledger.notices import Notice
from atelierd.notify.webhook import EVENT_HEADER, ID_HEADER, SIGNATURE_HEADER, signature
from atelierd.notify.words import payload, sentence
from atelierd.outbox import layout
from atelierd.settings import read_settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = sorted([README, ROOT / "SECURITY.md", *DOCS.glob("*.md")])

_LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", DOCS / "tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_tables_are_the_ones_that_the_program_prints(path: Path, tables: ModuleType) -> None:
    text = path.read_text(encoding="utf-8")
    assert tables.filled(text) == text, "python docs/tables.py brings it up to date"


def test_every_table_of_the_program_stands_on_one_page() -> None:
    everything = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    for module in (
        "atelierd.jobs.reference",
        "atelierd.configreference",
        "atelierd.cli.reference commands",
        "atelierd.cli.reference exits",
        "atelierd.notify.reference",
    ):
        assert everything.count(f"<!-- made by python -m {module} -->") == 1


def test_the_job_file_of_the_demo_is_the_one_that_the_demo_drops() -> None:
    dropped = (README.parent / "config/examples/demo.yaml").read_text(encoding="utf-8")
    keys = [line for line in dropped.splitlines() if not line.startswith("#")]
    assert "```yaml\n" + "\n".join(keys) + "\n```" in README.read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as they are made from them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"`|\[|\]\([^)]*\)", "", one)) for one in headings)
    return {one.strip().lower().replace(" ", "-") for one in plain}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    for groups in _LINK.findall(path.read_text(encoding="utf-8")):
        link = "".join(groups)
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), f"{path.name}: {link}"
        assert there.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{path.name}: {link}"


def test_the_front_page_is_short_and_leads_to_every_page() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    for path in DOCS.glob("*.md"):
        assert f"](docs/{path.name})" in text


def test_every_file_that_the_daemon_makes_is_told() -> None:
    text = page("files")
    names = {
        value for key, value in vars(layout).items() if key.isupper() and isinstance(value, str)
    }
    # It lies in report_files, which are told as a whole.
    for name in names - {layout.RECEIPT}:
        assert name in text, name
    for name in ("ledger.sqlite", "inputs/", "jobs/", "renders/", "weights/", "daemon.lock"):
        assert f"`{name}" in text


def source_text() -> str:
    """Return all of the program's text with the pieces of its messages joined."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "daemon").rglob("*.py"))
    return re.sub(r"[\"']\s*\n?\s*f?[\"']", "", code)


def test_messages_that_are_explained_are_ones_that_the_program_says() -> None:
    code = source_text()
    quoted = re.findall(r"^\| `([^`]+)` \|", page("troubleshooting"), flags=re.MULTILINE)
    assert len(quoted) > 12
    for message in quoted:
        for part in re.split(r"…|art/wave\.jpg|, for 20 s now", message):
            assert part.strip(" :") in code, message


def test_every_command_that_is_named_exists() -> None:
    known = {command.name for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"\batelierd ([a-z]+)\b", "\n".join(re.findall(r"`[^`]+`", text))):
            assert name in known, f"{path.name}: {name}"


def test_the_example_of_the_signature_accepts_ours_and_nothing_else() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", page("notifications"), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 5
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine: Callable[[bytes, bytes, str], bool] = names["is_genuine"]
    header = signature(b"open sesame", b'{"event": "done"}')
    assert is_genuine(b"open sesame", b'{"event": "done"}', header)
    assert not is_genuine(b"open sesame", b'{"event": "failed"}', header)
    assert not is_genuine(b"another", b'{"event": "done"}', header)
    plain = hmac.new(b"open sesame", b'{"event": "done"}', hashlib.sha256).hexdigest()
    assert not is_genuine(b"open sesame", b'{"event": "done"}', plain)


def test_the_example_of_a_call_has_the_keys_of_a_real_one() -> None:
    text = page("notifications")
    example = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    of_all = ("id", "event", "time", "host", "text")
    facts = {key: value for key, value in example.items() if key not in of_all}
    notice = Notice(1, example["id"], Event.FAILED, datetime(2026, 3, 2, tzinfo=UTC), facts)
    assert list(payload(notice)) == list(example)
    assert sentence(notice) == example["text"]
    for header in (ID_HEADER, EVENT_HEADER, SIGNATURE_HEADER):
        assert f"`{header}`" in text


def test_the_example_of_a_configuration_is_one(tmp_path: Path) -> None:
    (section,) = re.findall(r"```yaml\n(.*?)```", page("notifications"), re.DOTALL)
    config = tmp_path / "atelierd.yaml"
    config.write_text(f"inbox: /a\noutbox: /b\nstate: /c\n{section}")
    assert read_settings(config).notify.email is not None
