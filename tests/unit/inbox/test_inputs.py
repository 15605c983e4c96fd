import io
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from atelierd.errors import JobFault, NotReadyError
from atelierd.images.load import probe
from atelierd.images.picture import ImageLimits
from atelierd.inbox import inputs
from atelierd.inbox.inputs import InputStore, sweep_inputs
from atelierd.inbox.readiness import identity_of
from atelierd.jobs.frozen import input_path
from atelierd.ledger.rows import FrozenInput

World = Any
Freeze = Callable[..., FrozenInput]
KEEP = timedelta(days=7)


@pytest.fixture
def store(world: World) -> InputStore:
    return InputStore(world.state, ImageLimits(max_bytes=10_000))


@pytest.fixture
def freeze(store: InputStore) -> Freeze:
    def freeze(path: Path) -> FrozenInput:
        descriptor = os.open(path, os.O_RDONLY)
        return store.freeze(descriptor, path.name, identity_of(path.stat()))

    return freeze


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that were looked into."""
    names: list[str] = []

    def noting(file: Any, name: str, limits: ImageLimits) -> Any:
        names.append(name)
        return probe(file, name, limits)

    monkeypatch.setattr(inputs, "probe", noting)
    return names


def _copies(world: World) -> list[Path]:
    return [path for path in world.state.glob("inputs/**/*") if path.is_file()]


def test_the_same_picture_under_two_names_is_kept_once(world: World, freeze: Freeze) -> None:
    one = freeze(world.picture("a.png"))
    other = freeze(world.picture("b.png"))
    assert one.sha256 == other.sha256
    assert _copies(world) == [input_path(world.state, one.sha256)]


def test_a_picture_that_looks_the_same_is_read_once(
    world: World, freeze: Freeze, probes: list[str]
) -> None:
    path = world.picture("a.png")
    assert freeze(path) == freeze(path)
    assert probes == ["a.png"]
    world.picture("a.png", "blue")
    freeze(path)
    assert probes == ["a.png", "a.png"]


@pytest.mark.parametrize("name", ["a.bmp", "b.bmp"])
def test_a_picture_in_anothers_inode_with_its_size_and_time_is_another(
    world: World, freeze: Freeze, name: str
) -> None:
    def frame(color: str) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), color).save(buffer, "BMP")
        return buffer.getvalue()

    first = world.put("a.bmp", frame("red"))
    identity = identity_of(first.stat())
    red = freeze(first)
    # Where an inode is free again, the next file gets it.
    second = first.rename(first.with_name(name))
    second.write_bytes(frame("blue"))
    os.utime(second, ns=(identity.mtime_ns, identity.mtime_ns))
    assert identity_of(second.stat()) == identity
    blue = freeze(second)
    assert blue.sha256 != red.sha256
    assert input_path(world.state, blue.sha256).read_bytes() == frame("blue")


def test_a_picture_whose_copy_is_gone_is_copied_again(world: World, freeze: Freeze) -> None:
    path = world.picture("a.png")
    copy = input_path(world.state, freeze(path).sha256)
    copy.unlink()
    freeze(path)
    assert copy.read_bytes() == path.read_bytes()


def test_a_picture_that_is_too_big_is_refused_before_it_is_copied(
    world: World, freeze: Freeze
) -> None:
    path = world.picture("a.png")
    with path.open("ab") as file:
        file.truncate(10_001)
    with pytest.raises(JobFault, match=r"a\.png: found a file of"):
        freeze(path)
    assert not _copies(world)


def test_rule_07_a_picture_that_changes_while_it_is_copied_is_not_kept(
    world: World, freeze: Freeze, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.picture("a.png")
    pour = inputs._pour

    def pouring(*arguments: Any) -> str:
        digest = pour(*arguments)
        with path.open("ab") as file:
            file.write(b"more")
        return digest

    monkeypatch.setattr(inputs, "_pour", pouring)
    with pytest.raises(NotReadyError, match="which is being changed"):
        freeze(path)
    assert not _copies(world)


def test_no_descriptor_is_left_open(world: World, freeze: Freeze) -> None:
    path, text = world.picture("a.png"), world.put("b.png", "text")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    freeze(path)
    with pytest.raises(JobFault):
        freeze(text)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_sweep_removes_what_is_old_and_no_job_needs(world: World, freeze: Freeze) -> None:
    world.pictures()
    world.job()
    world.settled()
    needed = set(_copies(world))
    young = input_path(world.state, freeze(world.picture("a.png", "green")).sha256)
    old = input_path(world.state, freeze(world.picture("b.png", "yellow")).sha256)
    not_ours = world.state / "inputs" / "notes.txt"
    not_ours.write_text("mine")
    now = datetime.now(UTC)
    long_ago = (now - KEEP).timestamp() - 1
    for path in (*needed, old, not_ours):
        os.utime(path, (long_ago, long_ago))
    assert sweep_inputs(world.state, world.ledger, now, KEEP) == 1
    assert {*_copies(world)} == {*needed, young, not_ours}


def test_a_sweep_keeps_an_old_copy_that_was_just_taken_for_a_new_job(
    world: World, freeze: Freeze
) -> None:
    path = world.picture("a.png")
    copy = input_path(world.state, freeze(path).sha256)
    now = datetime.now(UTC)
    long_ago = (now - KEEP).timestamp() - 1
    os.utime(copy, (long_ago, long_ago))
    freeze(path)
    assert sweep_inputs(world.state, world.ledger, now, KEEP) == 0
    assert copy.exists()


def test_a_sweep_of_a_new_state_folder_finds_nothing(world: World) -> None:
    assert sweep_inputs(world.state, world.ledger, datetime.now(UTC), KEEP) == 0
