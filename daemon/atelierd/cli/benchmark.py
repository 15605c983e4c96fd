"""`atelierd benchmark`: measure this machine, so that memory and time of a render are known."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from atelierd.cli import words
from atelierd.cli.configuration import ConfigOption, surroundings
from atelierd.cli.options import JsonOption
from atelierd.cli.terminal import grid, plain, say, say_json, say_table, stderr, stdout

if TYPE_CHECKING:
    from atelierd.render.machine import MachineModel

#: Load per core above which others' work makes the figures worse than they are.
BUSY = 0.5


def benchmark(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Measure what renders take on this machine, for plans and forecasts.

    Takes a minute or two, best while nothing else runs. The figures are kept in the state folder
    and hold until versions, device or threads change.
    """
    from atelierd.cli.weights import ensure_weights
    from atelierd.render.fitting import measure
    from atelierd.render.machine import REFERENCE, write_model
    from atelierd.render.measuring import BenchProcess

    here = surroundings(config)
    ensure_weights(here.weight_store, REFERENCE.network)
    console = stderr()
    here.state.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    if load > BUSY * len(os.sched_getaffinity(0)):
        busy = f"the machine is busy (load {load:.1f}): the figures will be worse than it can do"
        say(console, busy, style="yellow")
    with closing(BenchProcess(here.engine_options)) as bench:
        model = measure(bench, lambda line: say(console, line, style="dim"))
    path = write_model(here.state, model)
    if as_json:
        say_json(model.model_dump(mode="json"))
        return
    _tell(model)
    say(stdout(), plain(f"kept in {path}", 4_096))


def _tell(model: MachineModel) -> None:
    table = grid("", "at 512 x 512", "at 1024 x 1024", "memory a pixel")
    for precision, ways in model.costs.items():
        for method, cost in ways.items():
            if method == "tiled":
                continue  # a matter of the tile
            at = [cost.seconds + cost.seconds_per_pixel * side**2 for side in (512, 1024)]
            paces = [words.pace(seconds) for seconds in at]
            table.add_row(f"{precision} {method}", *paces, f"{cost.bytes_per_pixel:,.0f} bytes")
    say_table(stdout(), table)
