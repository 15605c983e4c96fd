from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.unit.cluster.conftest import Home, Machine

from atelierd.cluster import remote
from atelierd.cluster.bench import KEEP_INPUTS
from atelierd.cluster.parcel import FileName, Part
from atelierd.errors import NodeFault, OutOfMemoryFault, WorldFault
from atelierd.jobs.frozen import input_path


def test_a_picture_with_other_bytes_than_its_name_says_is_not_kept(
    machine: Machine, tmp_path: Path
) -> None:
    name = "ab" * 32
    part = Part("a.0", FileName("input", name), 0, 4, b"what")
    with pytest.raises(NodeFault, match="SHA-256"):
        machine.bench.receive(part)
    assert not input_path(tmp_path / "worker", name).exists()


def test_pictures_that_nothing_has_asked_for_are_removed_by_and_by(
    home: Home, machine: Machine, tmp_path: Path
) -> None:
    old = input_path(tmp_path / "worker", "cd" * 32)
    old.parent.mkdir()
    old.write_bytes(b"old")
    before = time.time() - KEEP_INPUTS.total_seconds() - 60
    os.utime(old, (before, before))
    home.carry(home.carrier(machine))
    assert not old.exists()
    assert len(list((tmp_path / "worker" / "inputs").glob("??/*"))) == 2


def test_what_ran_out_of_memory_takes_less_the_next_time(home: Home, machine: Machine) -> None:
    carrier = home.carrier(machine)
    home.carry(carrier)
    machine.studio.fails = OutOfMemoryFault("none is left")
    with pytest.raises(OutOfMemoryFault):
        home.carry(carrier)
    work = machine.studio.orders[-1].work
    assert (work / "ran-out.json").read_text().strip() == '{\n  "bytes": 1000\n}'


def test_a_begun_render_displaces_the_one_before(home: Home, machine: Machine) -> None:
    carrier = home.carrier(machine)
    home.carry(carrier)
    home.carry(carrier, home.order("b.0"))
    first, second = (order.work for order in machine.studio.orders)
    assert not first.exists()
    assert second.is_dir()


def test_a_process_that_is_no_worker_says_so() -> None:
    remote.open_bench(None)
    with pytest.raises(NodeFault, match="no worker of atelierd's"):
        remote.replace_studio("it hangs")


def test_a_file_that_has_gone_with_its_render_is_not_given(home: Home, machine: Machine) -> None:
    carrier = home.carrier(machine)
    home.carry(carrier)
    home.carry(carrier, home.order("b.0"))
    with pytest.raises(WorldFault, match="another daemon's render"):
        machine.bench.part("a.0", "plan.json", 0)
    with pytest.raises(NodeFault, match="cannot be read"):
        machine.bench.part("b.0", "gone.json", 0)
