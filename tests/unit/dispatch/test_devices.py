from __future__ import annotations

from pathlib import Path

import pytest

from atelierd.dispatch.devices import device_names, devices_of
from atelierd.dispatch.pool import LocalFleet
from atelierd.render.resident import EngineOptions


@pytest.mark.parametrize(
    ("gpus", "visible", "found"),
    [
        (0, None, ("auto",)),
        (1, None, ("auto",)),
        (3, None, ("cuda:0", "cuda:1", "cuda:2")),
        (3, "0,2", ("cuda:0", "cuda:1")),
        (3, "GPU-8932f937,GPU-0cf3a1b2", ("cuda:0", "cuda:1")),
        (3, "1", ("auto",)),
        (3, "", ("auto",)),
        (3, "-1", ("auto",)),
        (4, "0,1,-1,3", ("cuda:0", "cuda:1")),
    ],
)
def test_auto_is_every_gpu_that_cuda_shows(
    tmp_path: Path, gpus: int, visible: str | None, found: tuple[str, ...]
) -> None:
    for number in range(gpus):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert devices_of(("auto",), driver_list=tmp_path, environment=environment) == found


def test_without_a_driver_auto_is_left_to_the_worker(tmp_path: Path) -> None:
    assert devices_of(("auto",), driver_list=tmp_path / "none") == ("auto",)


def test_what_is_asked_for_by_name_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    asked = ("cpu", "cuda:7", "cpu")
    assert devices_of(asked, driver_list=tmp_path) == asked


def test_devices_are_told_apart_by_their_names() -> None:
    assert device_names(("cpu", "cuda:0", "cpu", "cpu")) == ["cpu", "cuda:0", "cpu 2", "cpu 3"]


def test_workers_on_one_processor_share_its_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    fleet = LocalFleet(EngineOptions(tmp_path), ("cpu", "cpu", "cuda:0"))
    options = [worker._options for worker in fleet.workers()]
    assert [one.device for one in options] == ["cpu", "cpu", "cuda:0"]
    assert [one.threads for one in options[:2]] == [4, 4]
    alone = LocalFleet(EngineOptions(tmp_path), ("cpu",)).workers()
    assert alone[0]._options.threads is None
    asked = LocalFleet(EngineOptions(tmp_path, threads=3), ("cpu", "cpu")).workers()
    assert [worker._options.threads for worker in asked] == [3, 3]


def test_one_of_two_processes_is_replaced_and_the_other_lives_on(tmp_path: Path) -> None:
    fleet = LocalFleet(EngineOptions(tmp_path), ("cpu", "cpu"))
    first, second = fleet.workers()
    try:
        kept, lost = second.start(), first.start()
        first.replace("the test wants it")
        assert not first.is_up and second.is_up
        assert second.start() == kept
        assert first.start() not in {kept, lost}
    finally:
        for worker in fleet.workers():
            worker.replace("the test is over")
