from __future__ import annotations

from pathlib import Path

from PIL import Image
from tests.unit.cluster.conftest import Home

from atelierd.cluster.capability import TOLD, Capability, read_capability
from atelierd.cluster.needs import Needs
from atelierd.jobs.frozen import FrozenRender, input_path

LARGE = Capability(
    atelierd="1", incarnation="x", pid=1, device="cuda:0", description="", memory=80 * 2**30
)
SMALL = LARGE.model_copy(update={"memory": 2**20})


def put_pictures(home: Home) -> str:
    """Make the pictures of a render real ones, and return it."""
    order = home.order()
    for image in FrozenRender.model_validate_json(order.spec).images:
        Image.new("RGB", (64, 48)).save(input_path(home.state, image.sha256), "PNG")
    return order.spec


def test_a_render_is_given_to_those_that_have_the_memory(home: Home, tmp_path: Path) -> None:
    spec = put_pictures(home)
    needs = Needs(home.state)
    assert needs.can_do(LARGE, spec, tmp_path, [SMALL, LARGE])
    assert not needs.can_do(SMALL, spec, tmp_path, [SMALL, LARGE])


def test_pictures_are_looked_at_once(home: Home, tmp_path: Path) -> None:
    spec = put_pictures(home)
    needs = Needs(home.state)
    assert not needs.can_do(SMALL, spec, tmp_path, [])
    for path in (home.state / "inputs").glob("??/*"):
        path.unlink()
    assert not needs.can_do(SMALL, spec, tmp_path, [])


def test_a_render_whose_pictures_are_gone_goes_to_whoever_says_so(
    home: Home, tmp_path: Path
) -> None:
    order = home.order()
    assert Needs(home.state).can_do(SMALL, order.spec, tmp_path, [])


def test_what_a_worker_tells_is_read_and_a_stranger_has_told_nothing() -> None:
    told = {TOLD: {**LARGE.model_dump(mode="json"), "news": 1}}
    assert read_capability(told) == LARGE
    assert read_capability({}) is None
    assert read_capability({TOLD: {"pid": "x"}}) is None
