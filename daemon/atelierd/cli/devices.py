"""What PyTorch finds on this machine, as JSON; run in a process of its own.

A broken driver or a wrong build can end the process that imports PyTorch, or hang it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

#: Seconds that importing PyTorch may take; from a cold disk it takes many.
PATIENCE = 120.0


class NoTorchError(Exception):
    """PyTorch does not work here; the message says what it said."""


def torch_facts() -> dict[str, Any]:
    """Return what PyTorch finds. Raises NoTorchError."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "atelierd.cli.devices"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NoTorchError(f"importing it takes longer than {PATIENCE:.0f} s") from error
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise NoTorchError(said[-1]) from error
    return facts


def _look() -> dict[str, Any]:
    import torch

    from atelierd.engines.torch.kernels import fast_precision

    gpus = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        device = torch.device("cuda", index)
        properties = torch.cuda.get_device_properties(device)
        gpus.append(
            {
                "device": str(device),
                "name": str(properties.name),
                "bytes": int(properties.total_memory),
                "precision": fast_precision(device),
            }
        )
    return {
        "version": str(torch.__version__),
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "capability": str(torch.backends.cpu.get_cpu_capability()),
        "precision": fast_precision(torch.device("cpu")),
        "gpus": gpus,
    }


if __name__ == "__main__":
    json.dump(_look(), sys.stdout)
