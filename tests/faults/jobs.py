"""Jobs that take seconds, each of another kind, and what they come to when nobody disturbs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.audit import Paintings, audit, paintings
from tests.faults.yard import Yard

SMALL: Mapping[str, Any] = {"size": "32x32", "precision": "fp32", "seed": 5}

#: Several presets, minimizers, formats and priorities; contents times styles; one that fails.
MIXED: Mapping[str, Mapping[str, Any]] = {
    "one.yaml": {"content": "a.png", "style": "styles/b.png", "iterations": 12, **SMALL},
    "matrix.yaml": {
        "content": ["a.png", "styles/b.png"],
        "style": "styles/*.png",
        "iterations": 5,
        "snapshots": 2,
        **SMALL,
    },
    "draft.yaml": {
        "preset": "draft",
        "content": "a.png",
        "style": {"styles/b.png": 2, "styles/c.png": 1},
        "iterations": 16,
        "priority": 5,
        "output": {"format": "webp"},
        **SMALL,
    },
    "tutorial.yaml": {
        "preset": "tutorial",
        "content": "a.png",
        "style": "styles/c.png",
        "size": 32,
        "iterations": 15,
        "snapshots": 3,
    },
    "adam.yaml": {
        "content": "a.png",
        "style": "styles/c.png",
        "minimizer": "adam",
        "init": "random",
        "iterations": 20,
        "snapshots": 4,
        "priority": -5,
        **SMALL,
    },
    "long.yaml": {
        "content": "a.png",
        "style": "styles/b.png",
        "iterations": 130,
        "snapshots": 5,
        **SMALL,
    },
    "bad.yaml": {"content": "a.png", "stile": "styles/b.png"},
}


def put_pictures(yard: Yard) -> None:
    """Put the pictures of `MIXED` into the inbox."""
    yard.picture("a.png", 40, 34, seed=1)
    yard.picture("styles/b.png", 32, 32, seed=2)
    yard.picture("styles/c.png", 36, 33, seed=3)


def undisturbed(root: Path, weights: Path, jobs: Mapping[str, Mapping[str, Any]]) -> Paintings:
    """Return what `jobs` come to in a daemon that nobody kills."""
    yard = Yard(root, weights)
    try:
        put_pictures(yard)
        for name, job in jobs.items():
            yard.drop(name, job)
        yard.drain()
        audit(yard)
        return paintings(yard)
    finally:
        yard.end()
