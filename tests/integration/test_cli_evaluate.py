"""`evaluate` and `doctor` as they are used, with real weights and real engines."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.integration.daemon import Share

pytestmark = [pytest.mark.weights, pytest.mark.slow]

PAIR = ("share/inbox/astronaut.png", "share/inbox/coffee.jpg")


def test_the_value_where_a_render_starts_is_that_of_its_first_iteration(share: Share) -> None:
    options = ("--preset", "tutorial", "--size", "48")
    report = json.loads(share.command("evaluate", *PAIR, *options))
    painted = json.loads(share.command("render", *PAIR, *options, "-o", "out", "-n", "1", "--json"))
    assert report["terms"]["content"] == 0
    assert painted["objective"] < report["value"]
    assert painted["engine"] == report["engine"]


@pytest.mark.cntk
def test_engines_are_compared_by_value_and_gradient(share: Share, cntk_state: object) -> None:
    config = share.folder / "cntk.yaml"
    config.write_text(
        f"inbox: {share.inbox}\noutbox: {share.outbox}\nstate: {cntk_state}\n"
        f"weights: {{folder: {cntk_state}/../test-weights}}\n"
    )
    found = {}
    for engine in ("torch", "cntk"):
        report = json.loads(
            share.command(
                *("evaluate", *PAIR, "--preset", "tutorial", "--size", "64", "--engine", engine),
                *("--gradient", f"{engine}.npy", "--config", str(config)),
            )
        )
        assert report["engine"]["engine"] == engine
        found[engine] = report["value"], np.load(share.folder / f"{engine}.npy")
    (value, gradient), (expected, wanted) = found["torch"], found["cntk"]
    assert value == pytest.approx(expected, rel=1e-6)
    # One unit that rounding puts on the other side of zero may turn the gradient this far.
    assert np.linalg.norm(gradient - wanted) < 2e-2 * np.linalg.norm(wanted)


def test_doctor_finds_this_machine_in_order(share: Share) -> None:
    found = json.loads(share.command("doctor", "--json"))
    levels = {one["topic"]: one["level"] for one in found}
    assert "fail" not in levels.values()
    assert levels["torch"] == levels["inbox"] == levels["weights vgg16"] == "ok"
