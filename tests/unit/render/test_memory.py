from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atelierd.engines.torch.engine import TorchEngine
from atelierd.render import memory
from atelierd.render.memory import MachineMemory, kernel_kills, memory_of

MIB = 2**20


def group(
    tmp_path: Path,
    limits: dict[str, str],
    own: str = "system.slice/atelierd.service",
    held: dict[str, str] | None = None,
    taken: int = 0,
) -> int | None:
    (tmp_path / "cgroup").write_text(f"1:name=systemd:/x\n0::/{own}\n")
    for folder, limit in limits.items():
        file = tmp_path / "fs" / folder / "memory.max"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit)
    for folder, stat in (held or {}).items():
        (tmp_path / "fs" / folder / "memory.stat").write_text(stat)
    return memory._left_in_control_groups(taken, tmp_path / "cgroup", tmp_path / "fs")


def test_the_services_own_limit_counts_and_those_around_it(tmp_path: Path) -> None:
    limits = {"system.slice/atelierd.service": "5000\n", "system.slice": "9000\n", ".": "max\n"}
    assert group(tmp_path, limits) == 5000
    assert group(tmp_path, {"system.slice": "3000\n"}) == 3000
    assert group(tmp_path, {".": "1000\n"}) == 1000


def test_no_limit_is_none(tmp_path: Path) -> None:
    assert group(tmp_path, {"system.slice/atelierd.service": "max\n"}) is None
    assert memory._left_in_control_groups(0, tmp_path / "nowhere", tmp_path) is None


def test_what_other_processes_of_the_group_hold_is_gone_from_its_limit(tmp_path: Path) -> None:
    limits = {"system.slice/atelierd.service": "5000\n", ".": "6000\n"}
    held = {"system.slice/atelierd.service": "anon 1800\nfile 9000\nshmem 200\nanon_thp 7\n"}
    assert group(tmp_path, limits, held=held, taken=500) == 5000 - (1800 + 200 - 500)
    held["."] = "anon 5000\nfile 9000\nshmem 0\n"
    assert group(tmp_path, limits, held=held, taken=500) == 6000 - (5000 - 500)
    held["."] = "anon 9000\nfile 0\nshmem 0\n"
    assert group(tmp_path, limits, held=held, taken=500) == 0


def test_what_is_available_is_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_left_in_control_groups", lambda _: 123_456)
    assert MachineMemory().available() == 123_456
    monkeypatch.setattr(memory, "_left_in_control_groups", lambda _: None)
    assert MachineMemory().available() > MachineMemory().taken()


def test_a_peak_is_remembered_until_it_is_forgotten() -> None:
    here = MachineMemory()
    here.forget_peak()
    before = here.peak()
    block = np.ones(64 * MIB, np.uint8)
    assert here.peak() >= before + 60 * MIB
    del block
    assert here.peak() >= before + 60 * MIB
    # Freed memory may stay with the process until now.
    here.forget_peak()
    assert max(here.peak(), here.taken()) < before + 30 * MIB


def test_an_engine_on_the_processor_has_the_machines_memory(engine: TorchEngine) -> None:
    assert isinstance(memory_of(engine), MachineMemory)


def test_what_the_kernel_has_ended_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernel_kills() >= 0
    file = tmp_path / "vmstat"
    file.write_text("nr_free_pages 12\noom_kill 7\noom_killer 9\n")
    monkeypatch.setattr(memory, "_VMSTAT", file)
    assert kernel_kills() == 7
    file.unlink()
    assert kernel_kills() == 0
