"""Rule 15: a render that is saved, killed and resumed ends with the same bytes as one that is not.

Everything is compared, at every iteration: the bytes of the picture and the whole trace but for
its seconds.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atelierd.render.live import LiveRender

Begin = Any

#: Both scales, both precisions, and restarts of L-BFGS-B that end in the midst of a phase.
SETTINGS: dict[str, Any] = {"iterations": 7, "snapshots": 2}


def picture(live: LiveRender) -> str:
    return hashlib.sha256(live.picture()[0].tobytes()).hexdigest()


def course(live: LiveRender) -> Any:
    """What must be the same, all but the seconds."""
    trace = [replace(entry, seconds=0.0) for entry in live.course.trace]
    return replace(live.course, seconds=0.0, trace=trace)


@pytest.mark.parametrize("minimizer", ["lbfgs", "lbfgsb", "adam"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_rule_15_a_resumed_render_is_the_uninterrupted_one_bit_for_bit(
    begin: Begin, tmp_path: Path, minimizer: str, precision: str
) -> None:
    settings = SETTINGS | {"minimizer": minimizer, "precision": precision}
    whole = begin(**settings)
    expected = []
    while not whole.finished:
        whole.iterate()
        expected.append((picture(whole), course(whole)))
        folder = tmp_path / f"after-{whole.course.iteration}"
        folder.mkdir()
        whole.save(folder)
    for number in range(1, len(expected) + 1):
        resumed = begin(**settings)
        assert resumed.restore(tmp_path / f"after-{number}")
        assert (picture(resumed), course(resumed)) == expected[number - 1], f"as saved at {number}"
        # From some all the way, from each into what follows.
        last = len(expected) if number == 2 else min(number + 2, len(expected))
        for following in range(number, last):
            resumed.iterate()
            assert (picture(resumed), course(resumed)) == expected[following], (
                f"iteration {following + 1}, resumed at {number}"
            )
        resumed.close()


def test_rule_15_it_may_be_resumed_again_and_again(begin: Begin, tmp_path: Path) -> None:
    whole = begin(**SETTINGS)
    while not whole.finished:
        whole.iterate()
    live = begin(**SETTINGS)
    while not live.finished:
        live.iterate()
        live.save(tmp_path)
        live.close()
        live = begin(**SETTINGS)
        assert live.restore(tmp_path)
    assert (picture(live), course(live)) == (picture(whole), course(whole))


RESUME = """
import sys
from pathlib import Path
from atelierd.engines.torch.engine import TorchEngine
from atelierd.jobs.frozen import FrozenRender, input_path
from atelierd.render.live import LiveRender
from atelierd.render.scene import Scene
from atelierd.weights.reader import load_weights
import hashlib

spec, state, weights, checkpoints = sys.argv[1:]
frozen = FrozenRender.model_validate_json(spec)
scene = Scene(frozen, lambda image: input_path(Path(state), image.sha256))
engine = TorchEngine(load_weights(Path(weights)), "cpu", threads=1)
live = LiveRender(frozen.settings, scene, engine, lambda line: None)
assert live.restore(Path(checkpoints))
while not live.finished:
    live.iterate()
print(hashlib.sha256(live.picture()[0].tobytes()).hexdigest())
print([entry.value for entry in live.course.trace])
"""


def test_rule_15_in_another_process_it_is_the_same_too(
    begin: Begin, inputs: Any, random_weights: Path, tmp_path: Path
) -> None:
    frozen = inputs.frozen(**SETTINGS, precision="bf16")
    live = begin(frozen)
    for _ in range(4):
        live.iterate()
    live.save(tmp_path)
    while not live.finished:
        live.iterate()
    arguments = [
        frozen.model_dump_json(),
        str(inputs.state),
        str(random_weights / "vgg16.safetensors"),
        str(tmp_path),
    ]
    command = [sys.executable, "-c", RESUME, *arguments]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [picture(live), str([entry.value for entry in live.course.trace])]
