"""The real weights, photographs, and shares with daemons that end with the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from tests.integration.daemon import Daemon, Share

from atelierd.engines.cntk.install import install
from atelierd.engines.cntk.installation import CntkInstallError
from atelierd.errors import WeightsError
from atelierd.weights.store import WeightStore

#: What each render costs here: little.
QUICK = {"size": 64, "iterations": 6, "snapshots": 2, "scales": 1, "precision": "fp32"}


def _cache() -> Path:
    """Return the folder that outlives a test run, for what takes minutes to fetch."""
    return Path(os.environ.get("ATELIERD_TEST_CACHE", "~/.cache/atelierd")).expanduser()


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """A folder of weights with Oxford's VGG16; fetched once, kept between runs."""
    folder = _cache() / "test-weights"
    try:
        WeightStore(folder, {}).fetch("vgg16", lambda *_: None)
    except WeightsError as error:
        if os.environ.get("ATELIERD_REQUIRE_CNTK") == "1":
            pytest.fail(f"the weights of VGG16 cannot be had: {error}")
        pytest.skip(f"the weights of VGG16 cannot be had here: {error}")
    return folder


@pytest.fixture(scope="session")
def cntk_state() -> Path:
    """A state folder with CNTK in it; where it cannot be installed, the test is skipped."""
    state = _cache() / "test-state"
    try:
        install(state, None, gpu=False, report=lambda _: None)
    except CntkInstallError as error:
        if os.environ.get("ATELIERD_REQUIRE_CNTK") == "1":
            pytest.fail(f"ATELIERD_REQUIRE_CNTK is set, but: {error}")
        pytest.skip(f"CNTK cannot be installed here: {error}")
    return state


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with astronaut.png (512 x 512) and coffee.jpg (600 x 400); not to be changed."""
    from skimage import data

    folder = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut.png", "coffee.jpg"):
        pixels = getattr(data, name.partition(".")[0])()
        Image.fromarray(pixels).save(folder / name, quality=90)
    return folder


@pytest.fixture
def new_share(tmp_path: Path, real_weights: Path, photographs: Path) -> Callable[..., Share]:
    """Return a function that makes a share with photographs; it takes settings.

    Its `default` preset is a quick one, so that a job file needs two lines only.
    """

    def make(**settings: Any) -> Share:
        presets = tmp_path / "presets"
        presets.mkdir()
        (presets / "default.yaml").write_text(yaml.safe_dump(QUICK))
        share = Share(tmp_path, real_weights, presets=str(presets), **settings)
        for photograph in photographs.iterdir():
            (share.inbox / photograph.name).write_bytes(photograph.read_bytes())
        return share

    return make


@pytest.fixture
def share(new_share: Callable[..., Share]) -> Share:
    return new_share()


@pytest.fixture
def started() -> Iterator[Callable[..., Daemon]]:
    """Return a function that starts the daemon of a share; all are ended after the test."""
    daemons: list[Daemon] = []

    def start(share: Share, *arguments: str) -> Daemon:
        daemons.append(share.run(*arguments))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.end()
