"""Commands run in this process, in a home and a folder of their own."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from atelierd.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, with nothing from the environment, and another user than root."""
    home = tmp_path / "home"
    home.mkdir()
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "ATELIERD_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("atelierd.cli.configuration.os.geteuid", lambda: 1000)
    return home


@pytest.fixture
def command(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    """Run a command in `tmp_path` and return what it came to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root, ours = logging.getLogger(), logging.getLogger("atelierd")
    before = root.handlers[:], root.level, ours.level

    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Outcome(int(code or 0), said.out, said.err)

    yield run
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """A content of 60 x 40 and a style of 50 x 50 pixels."""
    content, style = tmp_path / "photo.png", tmp_path / "painting.png"
    Image.linear_gradient("L").resize((60, 40)).convert("RGB").save(content)
    Image.radial_gradient("L").resize((50, 50)).convert("RGB").save(style)
    return content, style
