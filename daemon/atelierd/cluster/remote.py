"""What a daemon has a worker do: functions that are named, not sent, and run in its process."""

from __future__ import annotations

from atelierd.cluster.bench import Bench
from atelierd.cluster.parcel import Brought, Errand, Lacking, Part
from atelierd.errors import NodeFault

_bench: Bench | None = None


def open_bench(bench: Bench | None) -> None:
    """Have this process's errands done on `bench`."""
    global _bench
    _bench = bench


def run_errand(errand: Errand) -> Lacking | Brought:
    """See `Bench.run`."""
    return _opened().run(errand)


def receive_part(part: Part) -> None:
    """See `Bench.receive`."""
    _opened().receive(part)


def give_part(render_id: str, name: str, offset: int) -> bytes:
    """See `Bench.part`."""
    return _opened().part(render_id, name, offset)


def replace_studio(reason: str) -> None:
    """See `Bench.replace`."""
    _opened().replace(reason)


def _opened() -> Bench:
    if _bench is None:
        raise NodeFault("this is no worker of atelierd's")
    return _bench
