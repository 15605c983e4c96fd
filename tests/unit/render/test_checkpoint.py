"""Rule 15: two generations; a damaged newest falls back to the older."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelierd.render import checkpoint
from atelierd.render.checkpoint import (
    DamagedCheckpointError,
    generations,
    load,
    load_newest,
    newest_mark,
    save,
)

FACTS = {"plan": "a plan", "value": 0.1 + 0.2, "none": None, "nested": {"list": [1, 2.5, "ü"]}}


def arrays() -> checkpoint.Arrays:
    generator = np.random.default_rng(0)
    return {
        "x": generator.standard_normal(50).astype(np.float32),
        "adam.mean": generator.standard_normal((3, 4)),
        "count": np.array(7),
    }


def numbers(folder: Path) -> list[int]:
    return [int(path.stem) for path in generations(folder)]


def test_what_is_loaded_is_what_was_saved_bit_for_bit(tmp_path: Path) -> None:
    facts, found = load(save(tmp_path, 12, FACTS, arrays()))
    assert facts == FACTS
    assert found.keys() == arrays().keys()
    for name, array in arrays().items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes()


def test_rule_15_two_generations_are_kept(tmp_path: Path) -> None:
    for iteration in (5, 9, 10, 100):
        save(tmp_path, iteration, FACTS, {})
    assert numbers(tmp_path) == [100, 10]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "00000010.checkpoint",
        "00000100.checkpoint",
    ]


def test_a_folder_is_known_by_the_digest_of_its_newest_checkpoint(tmp_path: Path) -> None:
    assert newest_mark(tmp_path) == ""
    save(tmp_path, 5, FACTS, arrays())
    first = newest_mark(tmp_path)
    assert len(first) == 64
    path = save(tmp_path, 9, FACTS, {})
    assert newest_mark(tmp_path) not in ("", first)
    path.write_bytes(b"damaged")
    assert newest_mark(tmp_path) == ""


def test_rule_15_a_save_after_a_fall_back_keeps_the_good_generation(tmp_path: Path) -> None:
    for iteration in (140, 145, 150):
        save(tmp_path, iteration, {"at": iteration}, {})
    generations(tmp_path)[0].write_bytes(b"damaged")
    found = load_newest(tmp_path)
    assert found is not None and found[0] == {"at": 145}
    save(tmp_path, 147, {"at": 147}, {})
    assert numbers(tmp_path) == [147, 145]


def test_a_render_that_begins_anew_keeps_its_own_checkpoints(tmp_path: Path) -> None:
    for iteration in (140, 150):
        save(tmp_path, iteration, {"plan": "of an older version"}, {})
    save(tmp_path, 3, {"plan": "new"}, {})
    found = load_newest(tmp_path)
    assert found is not None and found[0] == {"plan": "new"}


def test_saving_the_same_iteration_again_replaces_it(tmp_path: Path) -> None:
    save(tmp_path, 7, {"turn": 1}, {})
    save(tmp_path, 7, {"turn": 2}, {})
    assert numbers(tmp_path) == [7]
    found = load_newest(tmp_path)
    assert found is not None and found[0] == {"turn": 2}


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def bit_flipped(data: bytes) -> bytes:
    return data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]


def of_another_version(data: bytes) -> bytes:
    line, rest = data.split(b"\n", 1)
    return json.dumps(json.loads(line) | {"version": 99}).encode() + b"\n" + rest


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        bit_flipped,
        of_another_version,
        lambda data: b"",
        lambda data: data.split(b"\n", 1)[0],
        lambda data: b"[" * 4000 + b"\n" + data,
        lambda data: b"[1]\n" + data,
        lambda data: b"\xff\xfe" + data,
        lambda data: data + b"more",
    ],
)
def test_rule_15_a_damaged_newest_falls_back_to_the_older(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    save(tmp_path, 5, {"at": 5}, arrays())
    newest = save(tmp_path, 9, {"at": 9}, arrays())
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.raises(DamagedCheckpointError, match="00000009"):
        load(newest)
    found = load_newest(tmp_path)
    assert found is not None and found[0] == {"at": 5}


def test_where_both_are_damaged_there_is_none(tmp_path: Path) -> None:
    for iteration in (5, 9):
        save(tmp_path, iteration, FACTS, {}).write_bytes(b"{}")
    assert load_newest(tmp_path) is None
    assert load_newest(tmp_path / "nowhere") is None


def unreadable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = checkpoint.load

    def load(path: Path) -> Any:
        if path.name == name:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return whole(path)

    monkeypatch.setattr(checkpoint, "load", load)


def test_rule_15_a_newest_on_a_bad_sector_falls_back_to_the_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 5, {"at": 5}, {})
    save(tmp_path, 9, {"at": 9}, {})
    unreadable("00000009.checkpoint", monkeypatch)
    found = load_newest(tmp_path)
    assert found is not None and found[0] == {"at": 5}


def test_a_disk_that_gives_no_checkpoint_is_not_taken_for_a_fresh_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 9, {"at": 9}, {})
    unreadable("00000009.checkpoint", monkeypatch)
    with pytest.raises(OSError, match="Input/output"):
        load_newest(tmp_path)


def test_a_save_that_fails_leaves_what_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 5, {"at": 5}, {})
    save(tmp_path, 9, {"at": 9}, {})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 12, {"at": 12}, arrays())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "00000005.checkpoint",
        "00000009.checkpoint",
    ]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A folder with two checkpoints, and the bytes of the newer."""
    folder = tmp_path_factory.mktemp("pair")
    save(folder, 5, {"at": 5}, arrays())
    return folder, save(folder, 9, {"at": 9}, arrays()).read_bytes()


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_rule_15_no_damage_is_ever_loaded(pair: tuple[Path, bytes], data: st.DataObject) -> None:
    folder, whole = pair
    position = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(0, 64))
    junk = data.draw(st.binary(max_size=64))
    damaged = whole[:position] + junk + whole[position + length :]
    (folder / "00000009.checkpoint").write_bytes(damaged)
    found = load_newest(folder)
    assert found is not None
    assert found[0]["at"] == 5 or (found[0]["at"] == 9 and _same_content(damaged, whole))


def _same_content(damaged: bytes, whole: bytes) -> bool:
    """Whether only the header's spelling differs, which says nothing of the content."""
    return damaged.split(b"\n", 1)[1:] == whole.split(b"\n", 1)[1:]


def test_one_that_was_being_written_is_none_yet(tmp_path: Path) -> None:
    (tmp_path / ".atelierd-tmp-0123456789ab-00000009.checkpoint").write_bytes(b"half of it")
    assert checkpoint.generations(tmp_path) == [] and checkpoint.load_newest(tmp_path) is None
