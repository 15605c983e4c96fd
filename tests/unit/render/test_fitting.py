"""A machine whose costs are known is measured on paper, and the fit finds them again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.render.models import PLAYED_BASE, PlayedBench

from atelierd.render.fitting import MINIMIZER_SIDE, MINIMIZERS, cases, measure
from atelierd.render.machine import MachineModel, NoModelError, read_model, write_model


@pytest.fixture(scope="module")
def model() -> MachineModel:
    return measure(PlayedBench(), lambda _: None)


def test_the_fit_finds_what_the_machine_takes(model: MachineModel) -> None:
    assert (model.base_bytes, model.start_bytes) == (PLAYED_BASE, 500_000_000)
    assert model.fast_precision == "bf16" and model.costs.keys() == {"fp32", "bf16"}
    whole = model.costs["fp32"]["whole"]
    assert whole.seconds == pytest.approx(0.01, rel=1e-3)
    assert whole.seconds_per_pixel == pytest.approx(8e-6, rel=1e-3)
    assert whole.target_seconds_per_pixel == pytest.approx(2e-6)
    assert whole.bytes == pytest.approx(30e6, rel=1e-2)
    assert whole.bytes_per_pixel == pytest.approx(3080, rel=1e-3)
    tiled = model.costs["bf16"]["tiled"]
    assert tiled.seconds == pytest.approx(0.005, rel=1e-3)
    assert tiled.seconds_per_pixel == pytest.approx(4e-6, rel=1e-3)
    assert tiled.bytes_per_pixel == 80
    assert tiled.bytes_per_tile_pixel == pytest.approx(1580, rel=1e-3)


def test_no_tiled_sample_took_more_than_the_fit_says(model: MachineModel) -> None:
    bench, tiled = PlayedBench(), model.costs["fp32"]["tiled"]
    for case in cases(["fp32"]):
        if case.execution.method == "tiled":
            sample = bench.evaluation(case)
            said = tiled.bytes + tiled.bytes_per_pixel * sample.pixels
            said += tiled.bytes_per_tile_pixel * sample.tiles[2]
            assert said >= sample.peak_bytes - PLAYED_BASE - 1


def test_minimizers_are_taken_as_they_were_measured(model: MachineModel) -> None:
    assert model.minimizers.keys() == set(MINIMIZERS)
    cost = model.minimizers["lbfgs"]
    assert cost.seconds_per_pixel == pytest.approx(1e-7)
    assert cost.first_seconds_per_pixel == pytest.approx(3e-7)
    assert (cost.bytes_per_pixel, cost.peak_bytes_per_pixel) == (300, 500)
    assert MINIMIZER_SIDE > 500, "large enough that vectors are no small change"


def test_a_machine_without_fast_bf16_is_measured_in_fp32_alone() -> None:
    assert {case.precision for case in cases(["fp32"])} == {"fp32"}
    assert {case.execution.method for case in cases(["fp32"])} == {"whole", "recompute", "tiled"}


def test_the_model_is_kept_in_the_state_folder(model: MachineModel, tmp_path: Path) -> None:
    with pytest.raises(NoModelError, match="has not been measured"):
        read_model(tmp_path)
    path = write_model(tmp_path, model)
    assert read_model(tmp_path) == model
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(NoModelError, match="damaged or of another version"):
        read_model(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(NoModelError, match="cannot be read"):
        read_model(tmp_path)


def test_a_model_knows_what_it_was_measured_with(model: MachineModel) -> None:
    assert model.identity is not None and model.measured_at is not None
    assert abs((datetime.now(UTC) - model.measured_at).total_seconds()) < 600
    here = model.identity.atelierd

    def differs(
        version: str = "2.9", device: str | None = "cpu", threads: int | None = 4
    ) -> str | None:
        return model.differs_from(version, atelierd=here, device=device, threads=threads)

    assert differs() is None
    assert differs(device=None, threads=None) is None, "what is not known is taken for the same"
    assert "measured with torch 2.9, now it is 2.10" in str(differs("2.10"))
    assert "device cpu" in str(differs(device="NVIDIA H100"))
    assert "threads 4, now it is 2" in str(differs(threads=2))
    assert "atelierd" in str(model.differs_from("2.9", atelierd="0.0.1", device=None, threads=None))
