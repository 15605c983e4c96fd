from __future__ import annotations

import pytest

from atelierd.engines.cntk.processor import math_library_options

CPUINFO = "processor\t: 0\nvendor_id\t: {}\nmodel name\t: any: one\nflags\t\t: fpu {}\n\n"


@pytest.mark.parametrize(
    ("maker", "flags", "options"),
    [
        ("AuthenticAMD", "avx avx2 fma", {"MKL_DEBUG_CPU_TYPE": "5"}),
        ("AuthenticAMD", "avx", {}),
        ("GenuineIntel", "avx avx2 fma avx512f", {}),
    ],
)
def test_only_amd_processors_with_avx2_are_put_on_that_path(
    maker: str, flags: str, options: dict[str, str]
) -> None:
    assert math_library_options(CPUINFO.format(maker, flags) * 2) == options


def test_an_unknown_machine_is_left_alone() -> None:
    assert math_library_options("") == {}
