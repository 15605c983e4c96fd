"""Who can do what: memory, engines, and the precision that a render was begun in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.render.models import machine

from atelierd.dispatch.assigning import FITS, Means, Need, suits
from atelierd.dispatch.order import next_taken
from atelierd.jobs.presets import load_preset, shipped_config
from atelierd.jobs.resolved import RenderSettings, resolve
from atelierd.jobs.schema import JobFile
from atelierd.ledger.rows import RunnableRender

GIB = 2**30
GPU = Means(80 * GIB, "bf16", ("torch",), machine())
CPU = Means(8 * GIB, "fp32", ("torch", "cntk"), None)


def settings(**keys: Any) -> RenderSettings:
    preset = load_preset("default", [shipped_config() / "presets"])
    return resolve(JobFile(content="a.png", style="b.png", **keys), preset, preset)


def need(side: int = 512, **keys: Any) -> Need:
    return Need(settings(**keys), (side, side), 1, 0)


def runnable(name: str, **facts: Any) -> RunnableRender:
    values: dict[str, Any] = {
        "render_id": name,
        "job_id": name,
        "index": 0,
        "sequence": ord(name),
        "priority": 0,
        "source": "job.yaml",
        "iteration": 0,
    }
    return RunnableRender(**values | facts)


def test_a_small_render_can_go_anywhere_and_a_large_one_only_where_it_fits() -> None:
    assert suits(GPU, need(), None)
    assert suits(CPU, need(), None)
    large = need(6000)
    assert suits(GPU, large, None)
    assert not suits(CPU, large, None)


def test_it_is_the_measured_memory_that_counts_with_some_to_spare() -> None:
    one = need(1000)
    taken = one.bytes_at(GPU)
    # A tile at a time: 100 bytes for each pixel, and the minimizer's.
    assert taken > 200 * 1000 * 1000
    assert suits(replace(GPU, memory=int(taken / FITS) + 1), one, None)
    assert not suits(replace(GPU, memory=int(taken / FITS) - 1), one, None)


def test_a_worker_without_the_engine_is_not_asked() -> None:
    cntk = need(preset="tutorial", engine="cntk", precision="fp32", minimizer="lbfgsb")
    assert suits(CPU, cntk, None)
    assert not suits(GPU, cntk, None)


def test_what_was_begun_in_one_precision_waits_for_a_device_of_that_kind() -> None:
    assert not suits(CPU, need(), "bf16", [GPU, CPU])
    assert suits(GPU, need(), "bf16", [GPU, CPU])
    assert suits(CPU, need(), "bf16", [CPU]), "there is none any more: it begins anew"
    assert suits(CPU, need(precision="bf16"), "bf16", [GPU]), "the job says which one"


def test_a_size_that_no_network_takes_goes_anywhere_to_be_refused_in_words() -> None:
    assert suits(CPU, need(8), None)


def test_unmeasured_devices_count_as_slow() -> None:
    assert GPU.seconds_per_pixel == pytest.approx(1e-6)
    assert CPU.seconds_per_pixel == float("inf")


def test_the_first_render_that_a_worker_takes_is_chosen_in_the_order_of_urgency() -> None:
    waiting = [runnable("c", priority=1), runnable("b"), runnable("a", priority=2)]
    asked: list[str] = []

    def takes(one: RunnableRender) -> bool:
        asked.append(one.render_id)
        return one.render_id == "b"

    chosen = next_taken(waiting, {}, takes)
    assert chosen is not None
    assert chosen.render_id == "b"
    assert list(dict.fromkeys(asked)) == ["a", "c", "b"]
    assert next_taken(waiting, {}, lambda _: False) is None
    assert next_taken([], {}, takes) is None
