"""The jobs of the browser tests, done by a real daemon with a network of random numbers.

What they look like does not matter here; what they are called does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.integration.daemon import Share

from atelierd.exits import Exit

#: Each as a whole file name, without its extension; no file system takes a slash.
HOSTILE_FILES = (
    '"><img src=x onerror=alert(1)>',
    "it's <b>bold<b> & 100% #1?",
    "\u202egnp.txe\u202c 🌃👩\u200d🎨 ünïcode",
)
HOSTILE_NAME = "</script><script>alert('x')</script>\"' & {{ 7*7 }} \u202e🌃"
LONG_NAME = "long " * 20
#: Without its extension, 200 characters, with no place in it to break a line.
LONG_FILE = "long_" * 39 + "file!"
QUICK: dict[str, Any] = {
    "size": 64, "iterations": 12, "snapshots": 4, "scales": 2, "precision": "fp32"
}  # fmt: skip


def paint(folder: Path, weights: Path) -> None:
    """Make a share in `folder`, drop the jobs, and have a daemon drain the inbox.

    - `evening`: one picture
    - `wall`: two contents by three styles, one of them a blend
    - `hostile`, and one of a long name: contents, styles and names that want to be markup
    - `thin`: fails, for its picture is too small for the network
    - `wrong`: refused
    """
    work = {"device": "cpu", "segment": "500 ms", "threads": 1}
    # The report is a test's to write: after seven in the morning the daemon would have settled it.
    share = Share(folder, weights, work=work, morning_report="never")
    draw(share.inbox / "harbor.png", 160, 120, 1)
    draw(share.inbox / "thin.png", 640, 40, 2)
    for number, name in enumerate(("waves", "dots")):
        draw(share.inbox / f"{name}.png", 120, 140, 3 + number)
    for number, name in enumerate((*HOSTILE_FILES, LONG_FILE)):
        draw(share.inbox / f"{name}.png", 96, 96, 5 + number)
    first, second, third = (f"{name}.png" for name in HOSTILE_FILES)
    drop(share, "evening.yaml", content="harbor.png", style="waves.png", size=96)
    styles = ["waves.png", "dots.png", {"waves.png": 3, "dots.png": 1}]
    drop(share, "wall.yaml", content=["harbor.png", "waves.png"], style=styles, snapshots=1)
    drop(share, "a.yaml", content=[first, second], style=[first, third], name=HOSTILE_NAME)
    longest = f"{LONG_FILE}.png"
    drop(share, "b.yaml", content=third, style={first: 1, longest: 1}, name=LONG_NAME)
    drop(share, "thin.yaml", content="thin.png", style="waves.png")
    drop(share, "wrong.yaml", content="harbor.png", style="waves.png", size=-5)
    daemon = share.run("--drain")
    daemon.wait_for(lambda: share.finished("thin", "wall", "wrong"), seconds=600)
    assert daemon.wait() == Exit.FAILED, daemon.messages


def drop(share: Share, file: str, **keys: Any) -> None:
    """Put a job file into the inbox."""
    share.drop(file, json.dumps(QUICK | keys, ensure_ascii=False))


def draw(path: Path, width: int, height: int, seed: int) -> None:
    """Write a picture of smooth noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(path)
