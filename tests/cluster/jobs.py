"""Jobs for several workers, each of another kind and small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.faults.jobs import MIXED, SMALL

#: Two minimizers, several renders and snapshots; one that fails.
JOBS: Mapping[str, Mapping[str, Any]] = {
    "matrix.yaml": MIXED["matrix.yaml"],
    "tutorial.yaml": MIXED["tutorial.yaml"],
    "long.yaml": {**MIXED["long.yaml"], "iterations": 40, "snapshots": 3},
    "adam.yaml": {**MIXED["adam.yaml"], **SMALL, "iterations": 12},
    "bad.yaml": MIXED["bad.yaml"],
}
