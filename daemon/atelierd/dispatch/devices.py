"""Which devices the daemon keeps busy; found without loading a framework."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Where NVIDIA's driver lists the GPUs of this machine, a folder each.
DRIVER_LIST = Path("/proc/driver/nvidia/gpus")


def devices_of(
    asked: Sequence[str],
    *,
    driver_list: Path = DRIVER_LIST,
    environment: Mapping[str, str] = os.environ,
) -> tuple[str, ...]:
    """Return the devices to keep busy; `asked` is the setting `work.device`.

    `auto` alone means every GPU that there is. Where there are not several, or where nothing tells,
    it stays `auto`: the worker then takes the first one, or the CPU.
    """
    if tuple(asked) != ("auto",):
        return tuple(asked)
    count = _visible_gpus(driver_list, environment)
    return tuple(f"cuda:{index}" for index in range(count)) if count > 1 else ("auto",)


def device_names(devices: Sequence[str]) -> list[str]:
    """Return what people are shown for each: the second `cpu` is `cpu 2`."""
    names: list[str] = []
    for index, device in enumerate(devices):
        nth = devices[: index + 1].count(device)
        names.append(f"{device} {nth}" if nth > 1 else device)
    return names


def _visible_gpus(driver_list: Path, environment: Mapping[str, str]) -> int:
    """Return how many GPUs CUDA shows to this process, as the driver and the environment say."""
    try:
        present = sum(1 for _ in driver_list.iterdir())
    except OSError:
        return 0
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return present
    # CUDA shows those before the first that it does not know.
    chosen = [one.strip() for one in visible.split(",")]
    known = next((i for i, one in enumerate(chosen) if one in {"", "-1"}), len(chosen))
    return min(present, known)
