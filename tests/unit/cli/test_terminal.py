from __future__ import annotations

import io
import json
import sys

import pytest

from atelierd.cli.terminal import say_json

#: A name that a share may have: umlauts, a control sequence of one character, marks, no UTF-8.
NAME = "gr\xfcn\x9b2J\x7f \U0001f3a8 \udcff \u202e \u20ac"


@pytest.mark.parametrize("indent", [2, None])
@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "ascii"])
def test_json_is_json_in_every_locale_and_steers_no_terminal(
    monkeypatch: pytest.MonkeyPatch, encoding: str, indent: int | None
) -> None:
    # As the command line sets its output up.
    written = io.BytesIO()
    output = io.TextIOWrapper(written, encoding=encoding, errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", output)
    say_json({"source": NAME}, indent)
    output.flush()
    text = written.getvalue().decode(encoding)
    assert json.loads(text) == {"source": NAME}
    assert text.replace("\n", "").isprintable()
    assert ("\xfc" in text) == (encoding != "ascii")
