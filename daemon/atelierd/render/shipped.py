"""Cautious figures for a machine that has not been measured: rather too much than too little.

Memory is a fifth above, time half above what was measured on one core of a server's processor with
AVX-512 BF16.
"""

from __future__ import annotations

from atelierd.render.machine import Cost, MachineModel, MinimizerCost

_MINIMIZERS = {
    "lbfgs": MinimizerCost(
        evaluations=1.1,
        first_evaluations=1.0,
        seconds_per_pixel=1e-7,
        bytes_per_pixel=420.0,
        peak_bytes_per_pixel=800.0,
    ),
    "lbfgsb": MinimizerCost(
        evaluations=1.1,
        first_evaluations=1.0,
        first_seconds_per_pixel=1.2e-5,
        seconds_per_pixel=1e-6,
        bytes_per_pixel=1_900.0,
        peak_bytes_per_pixel=2_100.0,
    ),
    "adam": MinimizerCost(
        evaluations=1.0,
        first_evaluations=0.0,
        seconds_per_pixel=5e-8,
        bytes_per_pixel=100.0,
        peak_bytes_per_pixel=400.0,
    ),
}


def _cost(seconds: float, memory: float, tile: float = 0.0) -> Cost:
    return Cost(
        seconds=0.02,
        seconds_per_pixel=seconds,
        target_seconds_per_pixel=seconds / 2,
        bytes=300e6,
        bytes_per_pixel=memory,
        bytes_per_tile_pixel=tile,
    )


SHIPPED = MachineModel(
    start_bytes=550_000_000,
    base_bytes=550_000_000,
    costs={
        "fp32": {
            "whole": _cost(1.2e-5, 3_400.0),
            "recompute": _cost(2.1e-5, 2_900.0),
            "tiled": _cost(1.8e-5, 120.0, 4_000.0),
        },
        "bf16": {
            "whole": _cost(6e-6, 2_200.0),
            "recompute": _cost(1e-5, 1_500.0),
            "tiled": _cost(9e-6, 120.0, 2_200.0),
        },
    },
    minimizers=_MINIMIZERS,
)
#: CNTK's, which nothing measures: its own process keeps everything twice, in fp32.
SHIPPED_CNTK = MachineModel(
    start_bytes=700_000_000,
    base_bytes=700_000_000,
    costs={"fp32": {"whole": _cost(8e-5, 3_400.0)}},
    minimizers=_MINIMIZERS,
)
