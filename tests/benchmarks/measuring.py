"""What every benchmark measures alike: memory, the machine, and where figures are written."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console


def peaks() -> dict[str, int]:
    """Return VmHWM in bytes of this process and its children, by name and number."""
    this = psutil.Process()
    found = {}
    for process in (this, *this.children(recursive=True)):
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        if "VmHWM" in status:
            name = "the side itself" if process == this else f"{process.name()} {process.pid}"
            found[name] = int(status["VmHWM"].split()[0]) * 1024
    return found


def machine(threads: int) -> dict[str, Any]:
    """Return what the figures depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "processor": next((m.split(": ")[1] for m in lines if m.startswith("model name")), ""),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def write(path: Path, result: Any, console: Console) -> None:
    """Write the figures as JSON and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"written to {path}")
