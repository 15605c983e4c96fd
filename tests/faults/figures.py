"""Figures that the tests measure, kept for people: `build/faults/<name>.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "build" / "faults"


def record(name: str, figures: Mapping[str, Any]) -> None:
    """Write figures down and print them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=2)
    (FOLDER / f"{name}.json").write_text(text + "\n")
    sys.stdout.write(f"{name}: {text}\n")
