"""The math library inside CNTK, on processors that Intel did not make.

It is an MKL of 2018, which asks for the processor's maker and leaves every one but Intel on its
slowest path. Told to take the AVX2 path, an AMD EPYC evaluates the tutorial's objective at 300 px
in 1.1 s instead of 3.4 s, in half the memory, with the same agreement to the torch engine.
"""

from __future__ import annotations

#: Read by MKL; 5 stands for AVX2, 0 for its own choice.
MKL_VARIABLE = "MKL_DEBUG_CPU_TYPE"


def math_library_options(cpuinfo: str) -> dict[str, str]:
    """Return environment variables for MKL, given the text of /proc/cpuinfo."""
    fields = dict[str, str]()
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    able = {"avx2", "fma"} <= set(fields.get("flags", "").split())
    return {MKL_VARIABLE: "5"} if able and fields.get("vendor_id") == "AuthenticAMD" else {}
